package config

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// add adds an entry to a mapping, after its last one.
func (t *text) add(mapping *yaml.Node, value any, top bool) ([]byte, error) {
	if mapping.Style&yaml.FlowStyle != 0 {
		return t.close(mapping, value, '{')
	}
	if len(mapping.Content) == 0 {
		return nil, ErrEdit
	}
	indent := mapping.Content[0].Column - 1
	return t.insert(t.end(mapping, indent), indent, value, top)
}

// element adds an element to a list.
func (t *text) element(sequence *yaml.Node, value any) ([]byte, error) {
	if sequence.Kind != yaml.SequenceNode {
		return nil, ErrEdit
	}
	if sequence.Style&yaml.FlowStyle != 0 {
		return t.close(sequence, []any{value}, '[')
	}
	indent := sequence.Column - 1
	return t.insert(t.end(sequence, indent), indent, []any{value}, false)
}

// end returns the number of the last line that belongs to a block: what is
// indented deeper than its entries goes with the last of them.
func (t *text) end(block *yaml.Node, indent int) int {
	end := lastStart(block)
	for i := end; i < len(t.lines); i++ {
		line := strings.TrimRight(t.lines[i], "\r\n")
		content := strings.TrimLeft(line, " ")
		if content == "" {
			continue
		}
		deep := len(line) - len(content)
		// A comment in line with the entries follows the last of them.
		with := deep == indent && indent > 0 && content[0] == '#'
		if deep <= indent && !with {
			break
		}
		end = i + 1
	}
	return end
}

// lastStart returns the last line on which anything in a node begins.
func lastStart(n *yaml.Node) int {
	line := n.Line
	for _, c := range n.Content {
		line = max(line, lastStart(c))
	}
	return line
}

// insert writes a value as a block after a line; lines count from 1. With
// apart, a section is set off by an empty line.
func (t *text) insert(after, indent int, value any, apart bool) ([]byte, error) {
	raw, err := encode(value)
	if err != nil {
		return nil, err
	}
	if after > len(t.lines) {
		return nil, ErrEdit
	}
	var b strings.Builder
	if after > 0 && !strings.HasSuffix(t.lines[after-1], "\n") {
		b.WriteString(t.eol)
	}
	block := strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n")
	if apart && len(block) > 1 {
		b.WriteString(t.eol)
	}
	for _, line := range block {
		if line != "" {
			b.WriteString(strings.Repeat(" ", indent) + line)
		}
		b.WriteString(t.eol)
	}
	out := strings.Join(t.lines[:after], "") + b.String() + strings.Join(t.lines[after:], "")
	return []byte(out), nil
}

// replace puts a value in the place of one that stands on one line.
func (t *text) replace(key, node *yaml.Node, value any) ([]byte, error) {
	raw := string(t.bytes())
	inline, err := flow([]any{value})
	if err != nil {
		return nil, err
	}
	inline = inline[1 : len(inline)-1]
	if null(node) && node.Value == "" {
		start, err := t.offset(key)
		if err != nil {
			return nil, err
		}
		end := tokenEnd(raw, start, key)
		colon := strings.IndexByte(raw[end:], ':')
		if colon < 0 || strings.TrimSpace(raw[end:end+colon]) != "" {
			return nil, ErrEdit
		}
		at := end + colon + 1
		return []byte(raw[:at] + " " + inline + raw[at:]), nil
	}
	start, err := t.offset(node)
	if err != nil {
		return nil, err
	}
	if node.Kind != yaml.ScalarNode && node.Style&yaml.FlowStyle == 0 || node.Anchor != "" {
		return nil, ErrEdit
	}
	end := tokenEnd(raw, start, node)
	if end <= start {
		return nil, ErrEdit
	}
	return []byte(raw[:start] + inline + raw[end:]), nil
}

// close adds entries before the closing bracket of a flow collection.
func (t *text) close(n *yaml.Node, value any, open byte) ([]byte, error) {
	start, err := t.offset(n)
	if err != nil {
		return nil, err
	}
	raw := string(t.bytes())
	if start >= len(raw) || raw[start] != open {
		return nil, ErrEdit
	}
	end := tokenEnd(raw, start, n)
	if end <= start {
		return nil, ErrEdit
	}
	inline, err := flow(value)
	if err != nil {
		return nil, err
	}
	inline = inline[1 : len(inline)-1]
	inside := strings.TrimRight(raw[start:end-1], " \t\r\n")
	switch {
	case len(n.Content) == 0:
	case strings.HasSuffix(inside, ","):
		inline = " " + inline
	default:
		inline = ", " + inline
	}
	at := start + len(inside)
	return []byte(raw[:at] + inline + raw[at:]), nil
}

// flow writes a value on one line, in brackets.
func flow(value any) (string, error) {
	var n yaml.Node
	if err := n.Encode(value); err != nil {
		return "", fmt.Errorf("write the value: %w", err)
	}
	n.Style = yaml.FlowStyle
	raw, err := encode(&n)
	if err != nil {
		return "", err
	}
	line := strings.TrimSuffix(string(raw), "\n")
	if strings.Contains(line, "\n") || len(line) < 2 {
		return "", ErrEdit
	}
	return line, nil
}

// offset returns where a node begins in the text.
func (t *text) offset(n *yaml.Node) (int, error) {
	if n.Line < 1 || n.Line > len(t.lines) {
		return 0, ErrEdit
	}
	at := len(strings.Join(t.lines[:n.Line-1], ""))
	line := t.lines[n.Line-1]
	skipped := 0
	for range n.Column - 1 {
		_, size := utf8.DecodeRuneInString(line[skipped:])
		skipped += size
	}
	return at + skipped, nil
}

// tokenEnd returns where the scalar or flow collection that begins at start
// ends, or start where it cannot be told.
func tokenEnd(raw string, start int, n *yaml.Node) int {
	rest := raw[start:]
	switch {
	case n.Kind != yaml.ScalarNode:
		return start + bracketsEnd(rest)
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		return start + quotedEnd(rest)
	case n.Style == 0 && strings.HasPrefix(rest, n.Value):
		return start + len(n.Value)
	default:
		return start
	}
}

// quotedEnd returns the length of the quoted scalar that s begins with, or 0.
func quotedEnd(s string) int {
	if s == "" || s[0] != '"' && s[0] != '\'' {
		return 0
	}
	for i := 1; i < len(s); i++ {
		switch {
		case s[0] == '"' && s[i] == '\\':
			i++
		case s[i] != s[0]:
		case s[0] == '\'' && i+1 < len(s) && s[i+1] == '\'':
			i++
		default:
			return i + 1
		}
	}
	return 0
}

// bracketsEnd returns the length of the flow collection that s begins with, or
// 0.
func bracketsEnd(s string) int {
	if s == "" || s[0] != '{' && s[0] != '[' {
		return 0
	}
	depth := 1
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		case (c == '"' || c == '\'') && strings.ContainsRune(" \t\r\n,[{:", rune(s[i-1])):
			end := quotedEnd(s[i:])
			if end == 0 {
				return 0
			}
			i += end - 1
		case c == '#' && strings.ContainsRune(" \t\r\n", rune(s[i-1])):
			line := strings.IndexByte(s[i:], '\n')
			if line < 0 {
				return 0
			}
			i += line
		}
	}
	return 0
}
