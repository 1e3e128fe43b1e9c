package sqlshell

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"plattr.dev/plattr/internal/migrate/sqltext"
)

// maxShown bounds the part of a line that is shown around an error, in characters.
const maxShown = 100

// explain is the server's error with the line of the statement that it is about and a caret under the place.
func explain(statement string, err error) string {
	var server *pgconn.PgError
	if !errors.As(err, &server) {
		return err.Error()
	}
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "%s (%s)", server.Message, server.Code)
	if server.Position > 0 {
		b.WriteString(caret(statement, int(server.Position)))
	}
	if server.Detail != "" {
		b.WriteString("\n  " + server.Detail)
	}
	if server.Hint != "" {
		b.WriteString("\n  " + server.Hint)
	}
	return b.String()
}

// caret shows the line of a character, counted from 1, and a ^ under it.
func caret(statement string, character int) string {
	offset := sqltext.Statement{Text: statement}.At(character)
	number, column := sqltext.Position(statement, offset)
	line := []rune(strings.Split(statement, "\n")[number-1])
	from := max(0, min(column-maxShown/2, len(line)-maxShown))
	line = line[from:min(len(line), from+maxShown)]
	for i, r := range line {
		if r < ' ' {
			line[i] = ' ' // a tab would move the caret
		}
	}
	label := fmt.Sprintf("\n  %d: ", number)
	return label + string(line) + "\n" + strings.Repeat(" ", len(label)-1+column-1-from) + "^"
}
