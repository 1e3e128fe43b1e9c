package sqlshell_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"plattr.dev/plattr/internal/sqlshell"
	"plattr.dev/plattr/internal/testutil"
)

func run(t *testing.T, o sqlshell.Options) (out, errOut string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if o.URL == "" {
		o.URL = testutil.Postgres(t).SuperURL("postgres")
	}
	if o.In == nil {
		o.In = strings.NewReader("")
	}
	o.Out, o.Err = &stdout, &stderr
	err = sqlshell.Run(t.Context(), o)
	return stdout.String(), stderr.String(), err
}

const sample = `select 1 as n, 'a' as "name", null::int as "none", true as yes, '{"k":[1]}'::jsonb as doc, 'NaN'::float8 as nan
union all select 1000, E'b\n"c", d', 2, false, null, 1.5 order by 1`

func TestFormats(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ reason, format, command, want string }{
		"Table": {"Numbers to the right, NULL shown, a line end does not break the row.", "", sample, strings.Join([]string{
			`   n | name       | none | yes | doc        | nan`,
			`-----+------------+------+-----+------------+----`, ``,
		}, "\n")},
		"JSON":  {"Types are kept; what JSON has no number for is a string.", sqlshell.JSON, sample, `[{"n":1,"name":"a","none":null,"yes":true,"doc":{"k": [1]},"nan":"NaN"},{"n":1000,"name":"b\n\"c\", d","none":2,"yes":false,"doc":null,"nan":1.5}]` + "\n"},
		"CSV":   {"As spreadsheets read it.", sqlshell.CSV, sample, "n,name,none,yes,doc,nan\n1,a,,t,\"{\"\"k\"\": [1]}\",NaN\n1000,\"b\n\"\"c\"\", d\",2,f,,1.5\n"},
		"Twice": {"Every statement has its line; a name that comes twice is numbered.", sqlshell.JSON, "select 1 a, 2 a; select 3 b where false", `[{"a":1,"a_2":2}]` + "\n[]\n"},
		"Copy":  {"COPY writes through.", "", "copy (select 1, 'x') to stdout", "1\tx\n"},
		"Empty": {"No rows are said.", "", "select 1 as a where false", "a\n-\n(0 rows)\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, _, err := run(t, sqlshell.Options{Command: c.command, Format: c.format})
			if err != nil {
				t.Fatal(err)
			}
			if name == "Table" {
				if !strings.Contains(out, `1000 | b\n"c", d |    2 | f   | NULL       | 1.5`) || !strings.Contains(out, "\n   1 | a ") || !strings.Contains(out, "(2 rows)") {
					t.Errorf("%s\n%s", c.reason, out)
				}
				return
			}
			if out != c.want {
				t.Errorf("%s\ngot  %q\nwant %q", c.reason, out, c.want)
			}
		})
	}
	if _, _, err := run(t, sqlshell.Options{Command: "select 1", Format: "xml"}); err == nil || !strings.Contains(err.Error(), `format "xml": want table, json or csv`) {
		t.Errorf("error is %v", err)
	}
}

func TestScriptEndsAtItsFirstError(t *testing.T) {
	t.Parallel()
	out, errOut, err := run(t, sqlshell.Options{In: strings.NewReader("create temp table a (id int);\ninsert into a values (1), (2);\nselect count(*) from a;\n\nselect id,\n\tmissing from a;\nselect 7;")})
	var failed *sqlshell.QueryError
	if !errors.As(err, &failed) || failed.Line != 5 {
		t.Fatalf("error is %v", err)
	}
	want := "line 5: column \"missing\" does not exist (42703)\n  2:  missing from a\n      ^"
	if err.Error() != want {
		t.Errorf("error is\n%s\nwant\n%s", err, want)
	}
	if !strings.Contains(out, "    2\n(1 row)") || strings.Contains(out, "7") || !strings.Contains(errOut, "INSERT 0 2") {
		t.Errorf("printed %q and %q", out, errOut)
	}
	if _, _, err := run(t, sqlshell.Options{In: strings.NewReader("select 1;\n\\d x")}); err == nil || !strings.Contains(err.Error(), `2:1: \d is a command of psql`) {
		t.Errorf("error is %v", err)
	}
	out, _, err = run(t, sqlshell.Options{In: strings.NewReader("create temp table a (id int); copy a from stdin;\n1\n2\n\\.\nselect sum(id) from a")})
	if err != nil || !strings.Contains(out, "  3\n") {
		t.Errorf("%q, %v", out, err)
	}
}

func TestCaretInALongLine(t *testing.T) {
	t.Parallel()
	_, _, err := run(t, sqlshell.Options{Command: "select '" + strings.Repeat("ä", 300) + "', missing, '" + strings.Repeat("x", 300) + "'"})
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 3 || len([]rune(lines[1])) > 110 {
		t.Fatal(err)
	}
	at := len([]rune(lines[2])) - 1
	if got := string([]rune(lines[1])[at : at+7]); got != "missing" {
		t.Errorf("the caret is under %q:\n%v", got, err)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begun := time.Now()
	err := sqlshell.Run(ctx, sqlshell.Options{URL: testutil.Postgres(t).SuperURL("postgres"), Command: "select pg_sleep(60)", In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: &bytes.Buffer{}})
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) > 3*time.Second {
		t.Errorf("after %s: %v", time.Since(begun), err)
	}
}

func TestPsqlGetsNoPasswordInItsArguments(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\ncase \"$*\" in *hunter2*) exit 9;; esac\necho \"$PGUSER $PGHOST $PGPORT $PGDATABASE $*\"\n[ \"$PGPASSWORD\" = hunter2 ] && exit 5\n"
	if err := os.WriteFile(filepath.Join(dir, "psql"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	var out bytes.Buffer
	err := sqlshell.Psql(t.Context(), "postgres://u:hunter2@h:5/d", []string{"-X"}, nil, &out, &out)
	var exit *sqlshell.ExitError
	if !errors.As(err, &exit) || exit.Code != 5 || out.String() != "u h 5 d -X\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
	t.Setenv("PATH", t.TempDir())
	if err := sqlshell.Psql(t.Context(), "postgres://h/d", nil, nil, &out, &out); !errors.Is(err, sqlshell.ErrNoPsql) {
		t.Errorf("without psql: %v", err)
	}
}
