package sqltext_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plattr.dev/plattr/internal/migrate/sqltext"
)

func TestSplit(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason, in string
		want       []string
		wantErr    string
	}{
		"Plain":         {reason: "Semicolons end statements, empty ones vanish.", in: "select 1;;\n ; select 2 ", want: []string{"select 1", "select 2"}},
		"Comments":      {reason: "A semicolon in a comment ends nothing; block comments nest.", in: "-- a;b\n/* c; /* d; */ e; */ select 1 /* ; */ -- ;\n+1;", want: []string{"select 1 /* ; */ -- ;\n+1"}},
		"Strings":       {reason: "Quotes double; a backslash is a character like any other.", in: `select 'a;''b;', '\'; select ";""x";`, want: []string{`select 'a;''b;', '\'`, `select ";""x"`}},
		"Escape":        {reason: "In E'' a backslash escapes.", in: `select E'a\';b', e'\\'; select 1`, want: []string{`select E'a\';b', e'\\'`, "select 1"}},
		"EscapeDoubled": {reason: "A doubled quote does not end an E string.", in: `select E'a''\';b'; select 1`, want: []string{`select E'a''\';b'`, "select 1"}},
		"NotEscape":     {reason: "A name that ends in e does not make the string an E string.", in: `select date'\'; select 1`, want: []string{`select date'\'`, "select 1"}},
		"ConformingOff": {reason: "The setting changes how strings end.", in: `set standard_conforming_strings = off; select 'a\';b'; set standard_conforming_strings to on; select '\'; select 1`, want: []string{
			"set standard_conforming_strings = off", `select 'a\';b'`, "set standard_conforming_strings to on", `select '\'`, "select 1",
		}},
		"Dollar":       {reason: "Dollar quotes hold anything, even other dollar quotes.", in: "do $$ begin; $x$ ; $x$; end $$; select $a$;$b$;$a$, $1; select a$b$c; select 1", want: []string{"do $$ begin; $x$ ; $x$; end $$", "select $a$;$b$;$a$, $1", "select a$b$c", "select 1"}},
		"Rule":         {reason: "Parentheses hold several statements in a rule.", in: "create rule r as on insert to t do (select 1; select 2); select 3", want: []string{"create rule r as on insert to t do (select 1; select 2)", "select 3"}},
		"Atomic":       {reason: "A function's body between BEGIN ATOMIC and END is one statement.", in: "create or replace function f() returns int begin atomic select case when true then 1 end; select 2; end; select 3", want: []string{"create or replace function f() returns int begin atomic select case when true then 1 end; select 2; end", "select 3"}},
		"Transaction":  {reason: "BEGIN alone is a statement.", in: "begin; commit;", want: []string{"begin", "commit"}},
		"ByteOrder":    {reason: "A byte order mark is no part of the first statement.", in: "\uFEFFselect 1;", want: []string{"select 1"}},
		"Restrict":     {reason: "pg_dump's guard lines for psql mean nothing here.", in: "\\restrict abc\nselect 1;\n\\unrestrict abc\n", want: []string{"select 1"}},
		"Unicode":      {reason: "Names may hold any letter.", in: "select 'ä;' as größe; select 2", want: []string{"select 'ä;' as größe", "select 2"}},
		"Meta":         {reason: "psql's commands are named and refused.", in: "select 1;\n  \\i other.sql\n", wantErr: `2:3: \i is a command of psql`},
		"MetaInside":   {reason: "Also at a statement's end.", in: "select 1 \\gset", wantErr: `1:10: \gset`},
		"OpenString":   {reason: "What is not closed is named where it began.", in: "select 1;\nselect 'a;", wantErr: "2:8: string is not closed"},
		"OpenName":     {reason: "The same for names.", in: `select "a`, wantErr: "1:8: name is not closed"},
		"OpenComment":  {reason: "The same for comments.", in: "select 1 /* /* */", wantErr: "1:10: comment is not closed"},
		"OpenDollar":   {reason: "The same for dollar quotes.", in: "do $a$ x $b$", wantErr: "1:4: text is not closed: $a$"},
		"CopyOpenEnds": {reason: "COPY's data needs its end.", in: "copy t from stdin;\n1\n2\n", wantErr: `1:1: the data of COPY`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := sqltext.Split(c.in)
			if c.wantErr != "" {
				var syntax *sqltext.SyntaxError
				if !errors.As(err, &syntax) || !strings.Contains(err.Error(), c.wantErr) {
					t.Fatalf("%s\nerror is %v, want %q", c.reason, err, c.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(c.reason, err)
			}
			var texts []string
			for _, s := range got {
				texts = append(texts, s.Text)
			}
			if diff := cmp.Diff(c.want, texts); diff != "" {
				t.Errorf("%s\n%s", c.reason, diff)
			}
		})
	}
}

func TestSplitCopy(t *testing.T) {
	t.Parallel()
	got, err := sqltext.Split("COPY public.t (a, b) FROM stdin;\n1\t;'\n2\t\\N\n\\.\n\nselect 1;\ncopy t from stdin;\n\\.")
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || string(got[0].Copy) != "1\t;'\n2\t\\N\n" || got[1].Text != "select 1" || got[2].Copy == nil || len(got[2].Copy) != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestPositions(t *testing.T) {
	t.Parallel()
	script := "-- first\nselect 'ä', x;\n  select\n    ö, missing from t;\n"
	got, err := sqltext.Split(script)
	if err != nil {
		t.Fatal(err)
	}
	if got[1].Line != 3 || got[1].Column != 3 {
		t.Errorf("second statement is at %d:%d", got[1].Line, got[1].Column)
	}
	// The server counts characters: `select\n    ö, m` has m as its 15th.
	line, column := sqltext.Position(script, got[1].At(15))
	if line != 4 || column != 8 {
		t.Errorf("character 15 is at %d:%d, want 4:8", line, column)
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	type kind struct {
		NonTransactional, Control, Enum, Index string
		Commits                                bool
	}
	cases := map[string]kind{
		"create index concurrently i on t (a)":                           {NonTransactional: "CREATE INDEX CONCURRENTLY", Index: "i"},
		`create unique index concurrently if not exists "I x" on t (a)`:  {NonTransactional: "CREATE INDEX CONCURRENTLY", Index: `"I x"`},
		"create index concurrently on t (a)":                             {NonTransactional: "CREATE INDEX CONCURRENTLY"},
		"create index /* concurrently */ i on t (a)":                     {},
		"drop index concurrently i":                                      {NonTransactional: "DROP INDEX CONCURRENTLY"},
		"reindex (verbose) table concurrently t":                         {NonTransactional: "REINDEX"},
		"reindex table t":                                                {},
		"/* x */ vacuum analyze":                                         {NonTransactional: "VACUUM"},
		"create database x":                                              {NonTransactional: "CREATE DATABASE"},
		"drop tablespace x":                                              {NonTransactional: "DROP TABLESPACE"},
		"create table database (id int)":                                 {},
		"alter system set work_mem = '1MB'":                              {NonTransactional: "ALTER SYSTEM"},
		"alter table t detach partition p concurrently":                  {NonTransactional: "ALTER TABLE ... DETACH PARTITION CONCURRENTLY"},
		"alter type colour add value if not exists 'red' before 'green'": {Enum: "'red'"},
		"alter type colour rename value 'red' to 'blue'":                 {},
		"refresh materialized view concurrently v":                       {},
		"begin":                                 {Control: "BEGIN"},
		"start transaction":                     {Control: "START TRANSACTION"},
		"rollback to savepoint a":               {},
		"rollback":                              {Control: "ROLLBACK"},
		"prepare p as select 1":                 {},
		"prepare transaction 'x'":               {Control: "PREPARE TRANSACTION"},
		"call p()":                              {Commits: true},
		"do $$ begin commit; end $$":            {Commits: true},
		"insert into t values ('concurrently')": {},
	}
	for in, want := range cases {
		got := kind{
			sqltext.NonTransactional(in), sqltext.TransactionControl(in), sqltext.AddedEnumValue(in),
			sqltext.ConcurrentIndex(in), sqltext.MayCommit(in),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s\n%s", in, diff)
		}
	}
}

func FuzzSplit(f *testing.F) {
	for _, seed := range []string{
		"select 1; select 'a''b';", "do $$;$$", "/* /* */ */ x;", `E'\''`, "copy t from stdin;\n1\n\\.\nselect 1",
		"create function f() begin atomic select 1; end;", "\\x", "\uFEFF;", "$a$", "(;)", "set standard_conforming_strings=off;'\\''",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, script string) {
		got, err := sqltext.Split(script)
		if err != nil {
			var syntax *sqltext.SyntaxError
			if !errors.As(err, &syntax) || syntax.Line < 1 || syntax.Column < 1 {
				t.Fatalf("error without a place: %v", err)
			}
			return
		}
		end := 0
		for _, s := range got {
			if s.Offset < end || s.Text == "" || !strings.HasPrefix(script[s.Offset:], s.Text) {
				t.Fatalf("statement %+v is not where it says, after %d", s, end)
			}
			end = s.Offset + len(s.Text)
			if line, column := sqltext.Position(script, s.Offset); line != s.Line || column != s.Column {
				t.Fatalf("statement %+v is at %d:%d", s, line, column)
			}
			if at := s.At(len(s.Text) + 10); at > len(script) {
				t.Fatalf("position %d beyond the end", at)
			}
			sqltext.NonTransactional(s.Text)
			sqltext.TransactionControl(s.Text)
			sqltext.AddedEnumValue(s.Text)
			sqltext.ConcurrentIndex(s.Text)
		}
	})
}
