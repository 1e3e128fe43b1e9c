// Package store is what the stores of stacks have in common: a file system, S3 and PostgreSQL keep bytes under keys with
// slashes, and know locks. What the keys mean is said in package state.
package store

import (
	"context"
	"errors"
	"strings"
	"time"

	"plattr.dev/plattr/internal/engine/lock"
)

// ErrAbsent is returned for a key that holds nothing.
var ErrAbsent = errors.New("there is no such object")

// NoClock is the age of an object in a store that has no clock of its own.
const NoClock time.Duration = -1

// Object describes what lies under a key.
type Object struct {
	// Version is another one after every write.
	Version string
	// Modified is when the object was written.
	Modified time.Time
	// Age is how long ago that was by the store's own clock, to a second, or [NoClock].
	Age time.Duration
}

// Change is one write of one object.
type Change struct {
	Key string
	// Data replaces the object, unless From or Delete is set.
	Data []byte
	// From is the key of an object to copy; when it is absent nothing is done.
	From string
	// Delete removes the object; one that is absent already is no error.
	Delete bool
}

// Put replaces an object, or makes it.
func Put(key string, data []byte) Change { return Change{Key: key, Data: data} }

// Copy gives an object's content to another key.
func Copy(from, to string) Change { return Change{Key: to, From: from} }

// Delete removes an object.
func Delete(key string) Change { return Change{Key: key, Delete: true} }

// Reader is what is needed of a store to see the locks in it.
type Reader interface {
	// Read returns the content of an object, or [ErrAbsent].
	Read(ctx context.Context, key string) ([]byte, error)
	// Stat describes an object, or returns [ErrAbsent].
	Stat(ctx context.Context, key string) (Object, error)
	// List returns the keys that begin with prefix, sorted.
	List(ctx context.Context, prefix string) ([]string, error)
}

// Seen is a lock that was found.
type Seen struct {
	Key    string
	Record lock.Record
	// Age is how long ago the record was written, or [NoClock].
	Age time.Duration
	// Torn says that the lock has no readable record, and so no holder: every holder writes its lock in one piece.
	Torn bool
	// Alive says that the holder lives, as far as can be told from here.
	Alive bool
}

// Locks returns the locks that lie in a folder.
func Locks(ctx context.Context, r Reader, dir string) ([]Seen, error) {
	keys, err := r.List(ctx, dir+"/")
	if err != nil {
		return nil, err
	}
	seen := make([]Seen, 0, len(keys))
	for _, key := range keys {
		if !strings.HasSuffix(key, ".json") {
			continue
		}
		s, err := look(ctx, r, key)
		if errors.Is(err, ErrAbsent) {
			continue // given back just now
		}
		if err != nil {
			return nil, err
		}
		seen = append(seen, s)
	}
	return seen, nil
}

func look(ctx context.Context, r Reader, key string) (Seen, error) {
	raw, err := r.Read(ctx, key)
	if err != nil {
		return Seen{}, err
	}
	s := Seen{Key: key, Age: NoClock}
	if s.Record, err = lock.Parse(raw); err != nil {
		s.Torn = true
		return s, nil
	}
	if s.Record.Ours() {
		o, err := r.Stat(ctx, key)
		if err != nil {
			return Seen{}, err
		}
		s.Age = o.Age
	}
	s.Alive = s.Record.Alive(s.Age)
	return s, nil
}
