package migrate

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"
)

var (
	annotation    = regexp.MustCompile(`(?mi)^-- *\+goose +(.*?)\s*$`)
	gooseUp       = regexp.MustCompile(`(?mi)^-- *\+goose +Up\s*$`)
	gooseFileName = regexp.MustCompile(`^([0-9]+)_.*\.(sql|go)$`)
)

// upSection returns the statements of a file without a transaction, everything else blanked so that places in it are
// places in the file. ok is false for files that goose runs by itself: those in a transaction, and those with variables.
func upSection(script string) (up string, ok bool) {
	var blanked strings.Builder
	inUp, noTx, at := false, false, 0
	keep := func(end int) {
		if inUp {
			blanked.WriteString(script[at:end])
		} else {
			blanked.WriteString(blank(script[at:end]))
		}
		at = end
	}
	for _, m := range annotation.FindAllStringSubmatchIndex(script, -1) {
		keep(m[0])
		switch word := strings.ToUpper(script[m[2]:m[3]]); word {
		case "UP":
			inUp = true
		case "DOWN":
			inUp = false
		case "NO TRANSACTION":
			noTx = true
		case "ENVSUB ON":
			return "", false
		}
	}
	keep(len(script))
	return blanked.String(), noTx
}

// blank replaces every character but line ends by a space.
func blank(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' {
			return r
		}
		return ' '
	}, text)
}

// load reads the files in the order of their versions.
func (g *gooseRunner) load() ([]gooseFile, error) {
	scripts, err := filepath.Glob(filepath.Join(g.directory(), "[0-9]*_*.go"))
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	for _, path := range scripts {
		if !strings.HasSuffix(path, "_test.go") && gooseFileName.MatchString(filepath.Base(path)) {
			return nil, fmt.Errorf("%s: goose migrations in Go run only in the project's own program: "+
				"set database.migrations.run: startup, or write it in SQL", shownPath(g.Root, path))
		}
	}
	all, err := load(g.Root, g.directory())
	if err != nil {
		return nil, err
	}
	var files []gooseFile
	for _, f := range all {
		if !gooseFileName.MatchString(f.name) {
			continue // goose leaves such files alone
		}
		version, err := goose.NumericComponent(f.name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.shown, err)
		}
		files = append(files, gooseFile{file: f, version: version})
	}
	slices.SortStableFunc(files, func(a, b gooseFile) int { return cmp.Compare(a.version, b.version) })
	for i := 1; i < len(files); i++ {
		if files[i].version == files[i-1].version {
			return nil, &HistoryError{Problems: []string{fmt.Sprintf("%s: has the version of %s: give it the next one", files[i].shown, files[i-1].name)}}
		}
	}
	return files, nil
}
