// Package mastercf reads, checks and edits master.cf, the file in which
// Postfix is told which daemons to run, master(5), without losing a byte.
//
// A [File] keeps the source as it is: every comment, tab and odd line break.
// [File.Bytes] gives back exactly what was parsed; an edit replaces the bytes
// it is about and no others. Lines Postfix would refuse stay where they are
// and are reported with their place.
//
// Change a setting of one service:
//
//	_, err := mastercf.UpdateFile("/etc/postfix/master.cf", func(f *mastercf.File) error {
//		s := f.Service("submission", mastercf.Inet)
//		if s == nil {
//			return errors.New("no submission service")
//		}
//		return s.SetOption("smtpd_tls_security_level", "encrypt")
//	})
//
// Entries that are commented out are data too. The stock file ships the
// submission service that way; [File.Disabled] lists such entries and
// [File.Enable] switches one on together with its -o lines, leaving the prose
// between them a comment.
//
// # Words
//
// An entry has eight columns, called as postconf(1) -F calls them: service,
// type, private, unprivileged, chroot, wakeup, process_limit, command. What
// follows the command are its arguments. Options ("-o name=value", "-v", "-D")
// come first; the first argument that does not start with "-" ends them.
// Arguments are separated by white space; text inside { } is one argument.
// Quotes and backslashes mean nothing in this file.
//
// [Service.Overrides] is what a service adds to main.cf. This package does
// not know main.cf itself: give the map to the evaluator of package maincf.
//
// # Limits
//
// [File.Check] knows the daemons that come with Postfix; it does not look at
// the disk. Telling a commented-out entry from prose takes all eight columns
// to be valid, and telling its arguments from prose takes lines that look like
// arguments; see [File.Disabled].
package mastercf
