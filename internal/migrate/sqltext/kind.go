package sqltext

import (
	"slices"
	"strings"
)

// Words returns the words and quoted parts of a statement in order, words in capitals, quoted parts as they stand;
// comments, numbers and signs are left out.
func Words(statement string) []string {
	s := &scanner{src: statement}
	var words []string
	for s.pos < len(s.src) {
		s.words = nil
		if err := s.next(); err != nil {
			return words
		}
		words = append(words, s.words...)
	}
	return words
}

// TransactionControl returns the command by which a statement begins or ends a transaction, or "".
func TransactionControl(statement string) string {
	words := Words(statement)
	switch {
	case len(words) == 0:
		return ""
	case words[0] == "BEGIN", words[0] == "COMMIT", words[0] == "END", words[0] == "ABORT":
		return words[0]
	case words[0] == "ROLLBACK" && !slices.Contains(words, "TO"):
		return words[0]
	case words[0] == "START" && has(words, 1, "TRANSACTION"), words[0] == "PREPARE" && has(words, 1, "TRANSACTION"):
		return words[0] + " TRANSACTION"
	}
	return ""
}

// NonTransactional returns the command of a statement that the server refuses to run in a transaction, or "".
func NonTransactional(statement string) string {
	words := Words(statement)
	if len(words) == 0 {
		return ""
	}
	concurrently := slices.Contains(words, "CONCURRENTLY")
	switch words[0] {
	case "VACUUM":
		return "VACUUM"
	case "REINDEX":
		if concurrently || has(words, 1, "DATABASE") || has(words, 1, "SYSTEM") || has(words, 1, "SCHEMA") {
			return "REINDEX"
		}
	case "CREATE", "DROP":
		return createOrDrop(words, concurrently)
	case "ALTER":
		switch {
		case has(words, 1, "SYSTEM"):
			return "ALTER SYSTEM"
		case has(words, 1, "TABLE") && concurrently && slices.Contains(words, "DETACH"):
			return "ALTER TABLE ... DETACH PARTITION CONCURRENTLY"
		case has(words, 1, "DATABASE") && slices.Contains(words, "TABLESPACE"):
			return "ALTER DATABASE ... SET TABLESPACE"
		}
	}
	return ""
}

// MayCommit reports whether a statement that the server does run in a transaction may need none, because the code that
// it calls may commit: CALL and DO.
func MayCommit(statement string) bool {
	words := Words(statement)
	return len(words) > 0 && (words[0] == "CALL" || words[0] == "DO")
}

// AddedEnumValue returns the literal, with its quotes, that ALTER TYPE ... ADD VALUE adds, or "". The server refuses to
// use it in the transaction that added it.
func AddedEnumValue(statement string) string {
	words := Words(statement)
	if len(words) < 2 || words[0] != "ALTER" || words[1] != "TYPE" {
		return ""
	}
	for i := 2; i+1 < len(words); i++ {
		if words[i] != "ADD" || words[i+1] != "VALUE" {
			continue
		}
		for _, word := range words[i+2:] {
			if strings.HasPrefix(word, "'") {
				return word
			}
		}
	}
	return ""
}

// ConcurrentIndex returns the name, as it is written, of the index that CREATE INDEX CONCURRENTLY makes, or "". An
// index without a name of its own is "".
func ConcurrentIndex(statement string) string {
	words := Words(statement)
	at := slices.Index(words, "CONCURRENTLY")
	if at < 1 || words[0] != "CREATE" || words[at-1] != "INDEX" {
		return ""
	}
	words = words[at+1:]
	if has(words, 0, "IF") && has(words, 1, "NOT") && has(words, 2, "EXISTS") {
		words = words[3:]
	}
	if len(words) == 0 || words[0] == "ON" {
		return ""
	}
	if strings.HasPrefix(words[0], `"`) {
		return words[0]
	}
	return strings.ToLower(words[0])
}

func createOrDrop(words []string, concurrently bool) string {
	switch {
	case has(words, 1, "DATABASE"), has(words, 1, "TABLESPACE"), has(words, 1, "SUBSCRIPTION"):
		return words[0] + " " + words[1]
	case concurrently && (has(words, 1, "INDEX") || has(words, 2, "INDEX")):
		return words[0] + " INDEX CONCURRENTLY"
	}
	return ""
}

func has(words []string, at int, word string) bool { return at < len(words) && words[at] == word }
