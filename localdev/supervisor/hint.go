package supervisor

import "strings"

// knownCauses is what services write into their logs when the machine is in the way, and what helps.
func knownCauses() []struct{ text, hint string } {
	return []struct{ text, hint string }{
		{"Address already in use", "something else took the port in this moment: run the command again, another port is chosen"},
		{"address already in use", "something else took the port in this moment: run the command again, another port is chosen"},
		{"No space left on device", "make room on the disk of the state folder, or set PLATTR_STATE_DIR to a folder on another disk"},
		{"no space left on device", "make room on the disk of the state folder, or set PLATTR_STATE_DIR to a folder on another disk"},
		{"Disk quota exceeded", "make room, or set PLATTR_STATE_DIR to a folder on another disk"},
		{"Cannot allocate memory", "end other programs: the machine is out of memory"},
		{"could not create shared memory segment", "end other programs: the machine is out of shared memory"},
		{"Read-only file system", "set PLATTR_STATE_DIR to a folder that can be written to"},
		{"read-only file system", "set PLATTR_STATE_DIR to a folder that can be written to"},
		{"error while loading shared libraries", "install the library, or set PLATTR_POSTGRESQL_DIR or PLATTR_POSTGREST to a program that runs here"},
		{"exec format error", "the program is for another architecture: delete it from the cache, or set another one"},
	}
}

// Hint is the next step if the log's last lines tell the cause, else to read the whole log.
func (e *EndedError) Hint() string {
	if h := hintFor(strings.Join(e.Log, "\n")); h != "" {
		return h
	}
	return "read the log: " + e.File
}

func hintFor(text string) string {
	for _, c := range knownCauses() {
		if strings.Contains(text, c.text) {
			return c.hint
		}
	}
	return ""
}
