// Package maincf reads, edits, writes and evaluates main.cf, the file in which
// Postfix keeps its parameters (postconf(5)).
//
// A [File] is what is written. It holds every byte of its source, so that an
// edit changes the lines it is about and nothing else: comments, blank lines
// inside values, odd spacing and line endings stay.
//
//	changed, err := maincf.UpdateFile("/etc/postfix/main.cf", func(f *maincf.File) error {
//		if err := f.Set("relayhost", "[mx.example.net]:587"); err != nil {
//			return err
//		}
//		_, err := f.AddItem("mynetworks", "10.0.0.0/8")
//		return err
//	})
//
// Problems are [diag.Diagnostic] values with file, line and column; [Parse]
// reports all of a file at once and still returns the file.
package maincf
