package atomicfile

import "os"

// spool returns a nameless file to collect new content in where nothing can
// be created beside the target. It is in the folder for temporary files, or in
// memory where there is none (a container with a read-only root).
func spool() (*os.File, error) {
	f, err := os.CreateTemp("", "postfixkit-*")
	if err != nil {
		if m := memoryFile(); m != nil {
			return m, nil
		}
		return nil, err
	}
	// Gone with the descriptor; where that is not possible it stays until the
	// system cleans its folder.
	os.Remove(f.Name())
	return f, nil
}
