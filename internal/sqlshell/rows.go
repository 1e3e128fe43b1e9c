package sqlshell

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// rows is one result, values as the server's text.
type rows struct {
	names []string
	types []uint32
	cells [][]*string // nil is NULL
}

func newRows(fields []pgconn.FieldDescription) *rows {
	r := &rows{}
	for _, f := range fields {
		r.names = append(r.names, f.Name)
		r.types = append(r.types, f.DataTypeOID)
	}
	return r
}

// add copies a row: the reader uses its memory again.
func (r *rows) add(values [][]byte) {
	row := make([]*string, len(values))
	for i, v := range values {
		if v != nil {
			text := string(v)
			row[i] = &text
		}
	}
	r.cells = append(r.cells, row)
}

func (r *rows) numeric(column int) bool {
	switch r.types[column] {
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.Float4OID, pgtype.Float8OID, pgtype.NumericOID, pgtype.OIDOID:
		return true
	}
	return false
}

func shown(cell *string) string {
	if cell == nil {
		return "NULL"
	}
	return *cell
}

// printable makes line ends and control characters visible, so that a value keeps to its cell and cannot move the
// terminal's cursor.
func printable(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r >= 0x7f && r < 0xa0:
			_, _ = fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// table prints aligned columns, numbers to the right.
func (r *rows) table(w io.Writer) error {
	widths := make([]int, len(r.names))
	lines := [][]string{{}}
	for i, name := range r.names {
		lines[0] = append(lines[0], printable(name))
		widths[i] = utf8.RuneCountInString(lines[0][i])
	}
	for _, row := range r.cells {
		line := make([]string, len(row))
		for i, cell := range row {
			line[i] = printable(shown(cell))
			widths[i] = max(widths[i], utf8.RuneCountInString(line[i]))
		}
		lines = append(lines, line)
	}
	var b strings.Builder
	for n, line := range lines {
		r.line(&b, line, widths)
		if n == 0 {
			b.WriteString(rule(widths))
		}
	}
	b.WriteString(count(len(r.cells)))
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *rows) line(b *strings.Builder, cells []string, widths []int) {
	for i, cell := range cells {
		if i > 0 {
			b.WriteString(" | ")
		}
		fill := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		switch {
		case r.numeric(i):
			b.WriteString(fill + cell)
		case i == len(cells)-1:
			b.WriteString(cell)
		default:
			b.WriteString(cell + fill)
		}
	}
	b.WriteByte('\n')
}

func rule(widths []int) string {
	parts := make([]string, len(widths))
	for i, width := range widths {
		parts[i] = strings.Repeat("-", width)
	}
	return strings.Join(parts, "-+-") + "\n"
}

func count(n int) string {
	if n == 1 {
		return "(1 row)\n"
	}
	return fmt.Sprintf("(%d rows)\n", n)
}

// expanded prints a row per block, a column per line.
func (r *rows) expanded(w io.Writer) error {
	width := 0
	for _, name := range r.names {
		width = max(width, utf8.RuneCountInString(name))
	}
	var b strings.Builder
	for n, row := range r.cells {
		_, _ = fmt.Fprintf(&b, "-[ row %d ]-\n", n+1)
		for i, cell := range row {
			name := printable(r.names[i])
			b.WriteString(name + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(name))) + " | " + printable(shown(cell)) + "\n")
		}
	}
	b.WriteString(count(len(r.cells)))
	_, err := io.WriteString(w, b.String())
	return err
}

// json prints an array of objects whose members keep the columns' order. A name that comes twice is numbered.
func (r *rows) json(w io.Writer) error {
	names := r.unique()
	var b strings.Builder
	b.WriteByte('[')
	for n, row := range r.cells {
		if n > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('{')
		for i, cell := range row {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(quoteJSON(names[i]) + ":" + r.value(i, cell))
		}
		b.WriteByte('}')
	}
	b.WriteString("]\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *rows) unique() []string {
	seen := map[string]int{}
	out := make([]string, len(r.names))
	for i, name := range r.names {
		seen[name]++
		out[i] = name
		if seen[name] > 1 {
			out[i] = fmt.Sprintf("%s_%d", name, seen[name])
		}
	}
	return out
}

func (r *rows) value(column int, cell *string) string {
	if cell == nil {
		return "null"
	}
	text := *cell
	switch {
	case r.types[column] == pgtype.BoolOID:
		return strconv.FormatBool(text == "t")
	case r.numeric(column) && json.Valid([]byte(text)): // not NaN, not Infinity
		return text
	case (r.types[column] == pgtype.JSONOID || r.types[column] == pgtype.JSONBOID) && json.Valid([]byte(text)):
		return text
	}
	return quoteJSON(text)
}

func quoteJSON(text string) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a string always encodes
	return strings.TrimSuffix(b.String(), "\n")
}

func (r *rows) csv(w io.Writer) error {
	out := csv.NewWriter(w)
	_ = out.Write(r.names) // Flush says so too
	for _, row := range r.cells {
		line := make([]string, len(row))
		for i, cell := range row {
			if cell != nil {
				line[i] = *cell
			}
		}
		_ = out.Write(line) // Flush says so too
	}
	out.Flush()
	return out.Error() //nolint:wrapcheck // a broken pipe speaks for itself
}
