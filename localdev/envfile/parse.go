package envfile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Parse reads what Format writes, and what people write in such files by hand: comments, `export`, values without
// quotes. Nothing is expanded. The error begins with the line.
func Parse(text string) ([]Var, error) {
	p := parser{rest: text, line: 1}
	var vars []Var
	for {
		p.skip()
		if p.rest == "" {
			return vars, nil
		}
		start := p.line
		v, err := p.assignment()
		if err != nil {
			return nil, fmt.Errorf("%d: %w", start, err)
		}
		vars = slices.DeleteFunc(vars, func(o Var) bool { return o.Name == v.Name })
		vars = append(vars, v)
	}
}

type parser struct {
	rest string
	line int
}

func (p *parser) take(n int) string {
	s := p.rest[:n]
	p.line += strings.Count(s, "\n")
	p.rest = p.rest[n:]
	return s
}

// skip passes over blank lines and comments.
func (p *parser) skip() {
	for {
		p.take(len(p.rest) - len(strings.TrimLeft(p.rest, " \t\r\n")))
		if !strings.HasPrefix(p.rest, "#") {
			return
		}
		p.take(lineEnd(p.rest))
	}
}

func lineEnd(s string) int {
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		return i
	}
	return len(s)
}

func (p *parser) assignment() (Var, error) {
	if rest, ok := strings.CutPrefix(p.rest, "export "); ok {
		p.rest = strings.TrimLeft(rest, " \t")
	}
	i := strings.IndexAny(p.rest, "=\n")
	if i < 0 || p.rest[i] != '=' {
		return Var{}, errors.New("want NAME=VALUE")
	}
	name := strings.TrimSuffix(p.take(i+1), "=")
	if err := CheckName(name); err != nil {
		return Var{}, err
	}
	value, err := p.value()
	if err != nil {
		return Var{}, fmt.Errorf("variable %s: %w", name, err)
	}
	return Var{name, value}, nil
}

func (p *parser) value() (string, error) {
	var b strings.Builder
	for p.rest != "" {
		if p.rest[0] == '\n' || strings.HasPrefix(p.rest, "\r\n") {
			return b.String(), nil
		}
		switch p.rest[0] {
		case '\'':
			i := strings.IndexByte(p.rest[1:], '\'')
			if i < 0 {
				return "", errors.New("the quote ' has no end")
			}
			b.WriteString(p.take(i + 2)[1 : i+1])
		case '"':
			if err := p.double(&b); err != nil {
				return "", err
			}
		case ' ', '\t':
			tail := strings.TrimSpace(p.rest[:lineEnd(p.rest)])
			if tail != "" && tail[0] != '#' {
				return "", errors.New("a value with spaces needs quotes")
			}
			p.take(lineEnd(p.rest))
		default:
			b.WriteString(p.take(1))
		}
	}
	return b.String(), nil
}

// double reads a value in double quotes, as sh does for what Format writes.
func (p *parser) double(b *strings.Builder) error {
	p.take(1)
	for p.rest != "" {
		c := p.take(1)
		switch {
		case c == `"`:
			return nil
		case c == `\` && p.rest != "" && strings.Contains("\\\"$`", p.rest[:1]):
			b.WriteString(p.take(1))
		default:
			b.WriteString(c)
		}
	}
	return errors.New(`the quote " has no end`)
}
