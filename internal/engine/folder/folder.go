// Package folder makes folders that other stacks may be removing at the same moment.
package folder

import (
	"errors"
	"io/fs"
	"os"
)

// attempts bounds Make where a parent can never be made, such as a link to nowhere.
const attempts = 100

// Make makes a folder and its parents, mode 0700. Stacks remove the parents that they share when these are empty; one
// that goes between two of the steps is made again.
func Make(path string) error {
	var err error
	for range attempts {
		if err = os.MkdirAll(path, 0o700); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return err
}
