// Package sqltext splits PostgreSQL scripts into statements, the way psql does, and tells what kind of statement one is.
// It parses no SQL: the server does. It knows only where a statement ends and where it began in its file.
package sqltext

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Statement is one SQL statement of a script.
type Statement struct {
	// Text is the statement without its final semicolon. It begins at the first character that is neither white space
	// nor comment, so that a position that the server reports is one in the file.
	Text string
	// Offset is where Text begins in the script, in bytes.
	Offset int
	// Line and Column say the same for people: from 1, the column in characters.
	Line, Column int
	// Copy holds what followed a COPY ... FROM STDIN, up to the line `\.`; nil for every other statement.
	Copy []byte
	// Complete is false if the script ended before the statement's semicolon did.
	Complete bool
}

// SyntaxError is a script that cannot be split.
type SyntaxError struct {
	Line, Column int
	Message      string
	// Unclosed is true if more text could mend it: a quote or a comment that has not ended yet.
	Unclosed bool
}

// Error returns line, column and what is wrong.
func (e *SyntaxError) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Message) }

// Split returns the statements of a script; empty ones are left out. Everything that psql itself would interpret is an
// error, except COPY ... FROM STDIN with its data, and `\restrict`, `\unrestrict`, which pg_dump writes to guard psql.
func Split(script string) ([]Statement, error) {
	s := &scanner{src: script, backslash: false}
	if strings.HasPrefix(script, "\uFEFF") {
		s.pos = len("\uFEFF") // editors on Windows begin a file with it
	}
	for s.pos < len(s.src) {
		if err := s.next(); err != nil {
			return nil, err
		}
	}
	if s.started {
		s.finish(false)
	}
	return s.out, nil
}

// Position returns line and column, from 1, of a byte offset in a script.
func Position(script string, offset int) (line, column int) {
	offset = max(0, min(offset, len(script)))
	before := script[:offset]
	start := strings.LastIndexByte(before, '\n') + 1
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[start:]) + 1
}

// At returns the offset in the script of a character of the statement, counted from 1 as the server does; 0 means that
// the server named none, and is the statement's beginning.
func (s Statement) At(character int) int {
	for at := range s.Text {
		if character <= 1 {
			return s.Offset + at
		}
		character--
	}
	return s.Offset + len(s.Text)
}

type scanner struct {
	src string
	pos int
	out []Statement

	started bool // a statement has begun
	start   int
	parens  int
	words   []string // the statement's first words, in capitals
	last    string   // the word before
	atomic  int      // depth of BEGIN ATOMIC ... END and CASE ... END within it

	counted, lines, column int // where the last statement began: offset, lines before it, characters before it in its line

	backslash bool // standard_conforming_strings was set to off
}

// firstWords is how many words of a statement are kept to tell its kind.
const firstWords = 8

func (s *scanner) next() error {
	c := s.src[s.pos]
	rest := s.src[s.pos:]
	switch {
	case c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f' || c == '\v':
		s.pos++
	case strings.HasPrefix(rest, "--"):
		s.pos += lineLength(rest)
	case strings.HasPrefix(rest, "/*"):
		return s.comment()
	case c == ';' && s.parens == 0 && s.atomic == 0:
		return s.end()
	case c == '\\':
		return s.meta()
	default:
		return s.token(c)
	}
	return nil
}

// token takes one token that belongs to a statement.
func (s *scanner) token(c byte) error {
	if !s.started {
		s.started, s.start = true, s.pos
	}
	switch {
	case c == '\'':
		return s.quoted('\'', s.backslash)
	case c == '"':
		return s.quoted('"', false)
	case c == '$':
		return s.dollar()
	case isWordStart(c):
		return s.word()
	case c == '(':
		s.parens++
	case c == ')' && s.parens > 0:
		s.parens--
	}
	s.pos++
	return nil
}

func (s *scanner) errorf(at int, format string, args ...any) error {
	line, column := Position(s.src, at)
	return &SyntaxError{Line: line, Column: column, Message: fmt.Sprintf(format, args...)}
}

func (s *scanner) unclosed(at int, format string, args ...any) error {
	line, column := Position(s.src, at)
	return &SyntaxError{Line: line, Column: column, Message: fmt.Sprintf(format, args...), Unclosed: true}
}

// comment skips a block comment; they nest.
func (s *scanner) comment() error {
	begin, depth := s.pos, 0
	for s.pos < len(s.src) {
		switch rest := s.src[s.pos:]; {
		case strings.HasPrefix(rest, "/*"):
			depth++
			s.pos += 2
		case strings.HasPrefix(rest, "*/"):
			depth--
			s.pos += 2
			if depth == 0 {
				return nil
			}
		default:
			s.pos++
		}
	}
	return s.unclosed(begin, "comment is not closed: */ is missing")
}

// quoted skips a string or a quoted name. A doubled quote is taken as two strings side by side, which ends at the same
// place.
func (s *scanner) quoted(quote byte, backslash bool) error {
	begin := s.pos
	for s.pos++; s.pos < len(s.src); s.pos++ {
		switch {
		case s.src[s.pos] == quote:
			if strings.HasPrefix(s.src[s.pos+1:], string(quote)) {
				s.pos++ // the second of a pair, of which an E'' string must not lose that it is one
				continue
			}
			s.pos++
			s.keep(s.src[begin:s.pos])
			return nil
		case backslash && s.src[s.pos] == '\\':
			s.pos++
		}
	}
	s.pos = len(s.src)
	if quote == '"' {
		return s.unclosed(begin, `name is not closed: a " is missing`)
	}
	return s.unclosed(begin, "string is not closed: a ' is missing")
}

// dollar skips $tag$ ... $tag$, or the sign alone where it begins no such quote.
func (s *scanner) dollar() error {
	begin := s.pos
	end := begin + 1
	for end < len(s.src) && isWordPart(s.src[end]) && s.src[end] != '$' {
		end++
	}
	isTag := end < len(s.src) && s.src[end] == '$' && (end == begin+1 || isWordStart(s.src[begin+1]))
	if !isTag {
		s.pos++
		return nil
	}
	tag := s.src[begin : end+1]
	length := strings.Index(s.src[end+1:], tag)
	if length < 0 {
		return s.unclosed(begin, "text is not closed: %s is missing", tag)
	}
	s.pos = end + 1 + length + len(tag)
	return nil
}

// word takes a key word or a name, and the string that belongs to an E before it.
func (s *scanner) word() error {
	begin := s.pos
	for s.pos < len(s.src) && isWordPart(s.src[s.pos]) {
		s.pos++
	}
	word := strings.ToUpper(s.src[begin:s.pos])
	if word == "E" && s.pos < len(s.src) && s.src[s.pos] == '\'' {
		return s.quoted('\'', true)
	}
	s.keep(word)
	switch {
	case word == "ATOMIC" && s.last == "BEGIN" && s.isRoutine():
		s.atomic++
	case word == "CASE" && s.atomic > 0:
		s.atomic++
	case word == "END" && s.atomic > 0:
		s.atomic--
	}
	s.last = word
	return nil
}

func (s *scanner) keep(word string) {
	if len(s.words) < firstWords {
		s.words = append(s.words, word)
	}
}

// isRoutine reports whether the statement creates a function or procedure: only their bodies hold statements.
func (s *scanner) isRoutine() bool {
	w := s.words
	if len(w) > 2 && w[0] == "CREATE" && w[1] == "OR" && w[2] == "REPLACE" {
		w = w[2:]
	}
	return len(w) > 1 && (w[0] == "CREATE" || w[0] == "REPLACE") && (w[1] == "FUNCTION" || w[1] == "PROCEDURE")
}

// meta refuses what psql would interpret.
func (s *scanner) meta() error {
	length := lineLength(s.src[s.pos:])
	line := strings.TrimSpace(s.src[s.pos : s.pos+length])
	name, _, _ := strings.Cut(line, " ")
	if !s.started && (name == `\restrict` || name == `\unrestrict`) {
		s.pos += length
		return nil
	}
	return s.errorf(s.pos, "%s is a command of psql, not SQL: remove it", name)
}

// end takes the semicolon, and the data that follows a COPY ... FROM STDIN.
func (s *scanner) end() error {
	semicolon := s.pos
	s.pos++
	if !s.started {
		return nil
	}
	stdin := s.isCopyFromStdin(s.src[s.start:semicolon])
	s.noteSetting()
	s.pos = semicolon
	s.finish(true)
	s.pos++
	if !stdin {
		return nil
	}
	s.pos += min(lineLength(s.src[s.pos:])+1, len(s.src)-s.pos)
	data := s.src[s.pos:]
	for at := 0; at <= len(data); {
		length := lineLength(data[at:])
		if strings.TrimSuffix(data[at:at+length], "\r") == `\.` {
			s.out[len(s.out)-1].Copy = []byte(data[:at])
			s.pos += at + length
			return nil
		}
		at += length + 1
	}
	return s.unclosed(s.out[len(s.out)-1].Offset, `the data of COPY ... FROM STDIN does not end: the line \. is missing`)
}

// finish adds the statement that ends before the current position.
func (s *scanner) finish(complete bool) {
	// Counted on from the statement before: a seed may have 100,000 of them.
	line, column := Position(s.src[s.counted:s.start], s.start-s.counted)
	if line == 1 {
		column += s.column
	}
	line += s.lines
	s.counted, s.lines, s.column = s.start, line-1, column-1
	s.out = append(s.out, Statement{
		Text: strings.TrimRight(s.src[s.start:s.pos], " \t\r\n\f\v"), Offset: s.start,
		Line: line, Column: column, Complete: complete,
	})
	s.started, s.parens, s.atomic, s.words, s.last = false, 0, 0, nil, ""
}

func (s *scanner) isCopyFromStdin(text string) bool {
	if len(s.words) == 0 || s.words[0] != "COPY" {
		return false
	}
	words := Words(text)
	for i := 1; i < len(words); i++ {
		if words[i] == "STDIN" && words[i-1] == "FROM" {
			return true
		}
	}
	return false
}

// noteSetting follows SET standard_conforming_strings: with `off`, a backslash escapes in every string.
func (s *scanner) noteSetting() {
	w := s.words
	if len(w) > 1 && w[0] == "SET" && (w[1] == "SESSION" || w[1] == "LOCAL") {
		w = w[1:]
	}
	if len(w) < 3 || w[1] != "STANDARD_CONFORMING_STRINGS" {
		return
	}
	value := strings.ToUpper(strings.Trim(w[len(w)-1], `'"`))
	s.backslash = value == "OFF" || value == "FALSE" || value == "NO"
}

func lineLength(text string) int {
	if at := strings.IndexByte(text, '\n'); at >= 0 {
		return at
	}
	return len(text)
}

func isWordStart(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

func isWordPart(c byte) bool { return isWordStart(c) || c == '$' || c >= '0' && c <= '9' }
