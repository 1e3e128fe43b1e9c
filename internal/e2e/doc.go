// Package e2e holds the tests of the built program on real servers: what a user does, what must never be seen, and what
// happens when plattr is killed at random moments.
package e2e
