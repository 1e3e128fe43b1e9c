// Package lostconn tells the errors of a connection that was there and broke: the server went away, or was started again.
package lostconn

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// Is tells whether a connection broke while it was used. Whether the server did what it was asked for last is open.
func Is(err error) bool {
	for _, e := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
