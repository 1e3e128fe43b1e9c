package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

var lineInError = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)`)

// document parses the file into its top-level mapping. It returns nil after a
// problem that leaves nothing to look at.
func (d *decoder) document(raw []byte) *yaml.Node {
	if len(raw) > MaxFileBytes {
		d.problem(position{1, 1}, "", "the file is larger than %d MB: no %s is", MaxFileBytes>>20, d.kind.noun)
		return nil
	}
	if !d.readable(raw) {
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			d.problem(position{1, 1}, "", "the file is empty: %s", d.kind.remedy)
		} else {
			d.syntax(raw, err)
		}
		return nil
	}
	var second yaml.Node
	if err := dec.Decode(&second); err == nil {
		d.problem(place(&second), "", "a second document begins here: a %s holds %s", d.kind.noun, d.kind.holds)
		return nil
	} else if !errors.Is(err, io.EOF) {
		d.syntax(raw, err)
		return nil
	}
	root := doc.Content[0]
	switch {
	case null(root):
		d.problem(position{1, 1}, "", "the file is empty: %s", d.kind.remedy)
		return nil
	case root.Kind != yaml.MappingNode:
		d.problem(place(root), "", "must be fields such as `%s`, not %s", d.kind.example, kind(root))
		return nil
	}
	return root
}

// readable refuses what is not text before the parser sees it.
func (d *decoder) readable(raw []byte) bool {
	at := position{1, 1}
	for i := 0; i < len(raw); {
		r, size := utf8.DecodeRune(raw[i:])
		switch {
		case r == utf8.RuneError && size <= 1:
			d.problem(at, "", "this is not UTF-8 text")
			return false
		case r < ' ' && r != '\n' && r != '\r' && r != '\t', r == 0x7f:
			d.problem(at, "", "control character U+%04X: remove it", r)
			return false
		}
		i += size
		at.column++
		if r == '\n' || r == '\r' && (i >= len(raw) || raw[i] != '\n') {
			at = position{at.line + 1, 1}
		}
	}
	return true
}

// syntax turns an error of the YAML parser into a problem.
func (d *decoder) syntax(raw []byte, err error) {
	m := lineInError.FindStringSubmatch(err.Error())
	lines := strings.Split(string(raw), "\n")
	line, convErr := strconv.Atoi(m[1])
	if convErr != nil {
		line = 1
	}
	line = min(line, len(lines))
	// The parser's message about a tab names the line after or before it.
	for i := max(0, line-2); i < min(len(lines), line+1); i++ {
		indent := lines[i][:len(lines[i])-len(strings.TrimLeft(lines[i], " \t"))]
		if tab := strings.IndexByte(indent, '\t'); tab >= 0 {
			d.problem(position{i + 1, tab + 1}, "", "a tab cannot indent YAML: use spaces")
			return
		}
	}
	text := lines[line-1]
	column := 1 + len(text) - len(strings.TrimLeft(text, " "))
	d.problem(position{line, column}, "", "this is not valid YAML: %s", m[2])
}
