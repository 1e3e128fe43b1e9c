package migrate

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"plattr.dev/plattr/internal/migrate/sqltext"
)

const (
	directivePrefix = "-- plattr: "
	noTransaction   = "no-transaction"
)

// file is one SQL file, ready to run.
type file struct {
	name     string // within the directory
	shown    string // for messages
	script   string
	checksum string

	statements []sqltext.Statement
	// stepwise files run outside one transaction, because of what stepReason says.
	stepwise   bool
	stepReason string
}

// load reads a directory's SQL files in the order of their names. A directory that does not exist is empty.
func load(root, directory string) ([]file, error) {
	entries, err := os.ReadDir(directory)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	var files []file
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() || !strings.HasSuffix(name, ".sql") || strings.HasSuffix(name, ".down.sql") || strings.HasPrefix(name, ".") {
			continue
		}
		f, err := loadFile(root, filepath.Join(directory, name))
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func loadFile(root, path string) (file, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return file{}, fmt.Errorf("read the file: %w", err)
	}
	// A checkout with other line ends is the same file.
	script := strings.ReplaceAll(string(raw), "\r\n", "\n")
	return file{name: filepath.Base(path), shown: shownPath(root, path), script: script, checksum: checksum(script)}, nil
}

func checksum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// numberOrder refuses numbers that the order of names would not keep: 10_b.sql comes before 2_a.sql.
func numberOrder(files []file) error {
	for i := 1; i < len(files); i++ {
		before, errBefore := leadingNumber(files[i-1].name)
		after, errAfter := leadingNumber(files[i].name)
		if errBefore == nil && errAfter == nil && before > after {
			return &HistoryError{Problems: []string{fmt.Sprintf(
				"%s: would run before %s, since files run in the order of their names: give both numbers the same length",
				files[i-1].shown, files[i].name)}}
		}
	}
	return nil
}

func leadingNumber(name string) (uint64, error) {
	end := strings.IndexFunc(name, func(r rune) bool { return r < '0' || r > '9' })
	return strconv.ParseUint(name[:max(end, 0)], 10, 64) //nolint:wrapcheck // only whether it is one counts
}

// parse splits the file and decides how it runs.
func (f *file) parse() error {
	statements, err := sqltext.Split(f.script)
	if err != nil {
		var syntax *sqltext.SyntaxError
		if errors.As(err, &syntax) {
			return &FileError{File: f.shown, Line: syntax.Line, Column: syntax.Column, Message: syntax.Message}
		}
		return fmt.Errorf("%s: %w", f.shown, err)
	}
	f.statements = statements
	for _, s := range statements {
		if command := sqltext.TransactionControl(s.Text); command != "" {
			return &FileError{File: f.shown, Line: s.Line, Column: s.Column, Message: fmt.Sprintf(
				"%s: a file is one transaction by itself: remove it (`%s%s` runs a file without one)", command, directivePrefix, noTransaction)}
		}
		if command := sqltext.NonTransactional(s.Text); command != "" {
			f.stepwise, f.stepReason = true, command
		}
	}
	f.enumValues()
	return f.directive()
}

// enumValues finds enum values that are used in the file that adds them.
func (f *file) enumValues() {
	for i, s := range f.statements {
		value := sqltext.AddedEnumValue(s.Text)
		if value == "" {
			continue
		}
		for _, later := range f.statements[i+1:] {
			if strings.Contains(later.Text, value) && sqltext.AddedEnumValue(later.Text) == "" {
				f.stepwise, f.stepReason = true, "ALTER TYPE ... ADD VALUE "+value
				return
			}
		}
	}
}

// directive reads the comments before the first statement.
func (f *file) directive() error {
	head := f.script
	if len(f.statements) > 0 {
		head = head[:f.statements[0].Offset]
	}
	for number, line := range strings.Split(head, "\n") {
		text, found := strings.CutPrefix(strings.TrimSpace(line), strings.TrimSpace(directivePrefix))
		if !found {
			continue
		}
		if strings.TrimSpace(text) != noTransaction {
			return &FileError{File: f.shown, Line: number + 1, Column: 1, Message: fmt.Sprintf(
				"unknown directive %q: only `%s%s` is known", strings.TrimSpace(text), directivePrefix, noTransaction)}
		}
		f.stepwise, f.stepReason = true, strings.TrimSpace(line)
	}
	return nil
}

// prefix is a checksum of the file's first n statements.
func (f *file) prefix(n int) string {
	var texts []string
	for _, s := range f.statements[:min(n, len(f.statements))] {
		texts = append(texts, s.Text, string(s.Copy))
	}
	return checksum(strings.Join(texts, ";\n"))
}

// upTo cuts the files after the one called name.
func upTo(files []file, name string) ([]file, error) {
	if name == "" {
		return files, nil
	}
	at := slices.IndexFunc(files, func(f file) bool { return f.name == name })
	if at < 0 {
		return nil, fmt.Errorf("migration %s: no such file", name)
	}
	return files[:at+1], nil
}
