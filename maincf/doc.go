// Package maincf reads, edits, writes and evaluates main.cf, the file in which
// Postfix keeps its parameters (postconf(5)).
//
// # The file
//
// A [File] is what is written. It holds every byte of its source, so that an
// edit changes the lines it is about and nothing else: comments, blank lines
// inside values, odd spacing and line endings stay.
//
//	changed, err := maincf.UpdateFile("/etc/postfix/main.cf", func(f *maincf.File) error {
//		if err := f.Set("relayhost", "[mx.example.net]:587"); err != nil {
//			return err
//		}
//		_, err := f.AddItem("mynetworks", "10.0.0.0/8") // in the list's own layout
//		return err
//	})
//
// Problems are [diag.Diagnostic] values with file, line and column; [Parse]
// reports all of a file at once and still returns the file. [File.Check] finds
// what is questionable in the text, [Format] gives it a stable layout.
//
// # What Postfix uses
//
// An [Env] answers what a parameter has, which is more than what main.cf says:
// master.cf may override it, a release has a default for it, and values refer
// to each other:
//
//	env := maincf.Env{Main: f, Version: maincf.Version{Major: 3, Minor: 7, Patch: maincf.NewestPatch}}
//	v, err := env.Eval("smtpd_recipient_restrictions")
//	if err != nil {
//		return err // *maincf.LoopError, maincf.ErrUnknownParam
//	}
//	fmt.Println(v.Text, v.Origin) // text with every $name replaced, and who set it
//	if v.At != nil {
//		fmt.Println(v.At.Span()) // where, when it was main.cf
//	}
//
// [Env.Bool], [Env.Int], [Env.Duration], [Env.List], [Env.Enum] and [Env.Specs]
// check what they return against the type and the limits of the parameter;
// [Env.Check] does so for all that main.cf sets, and finds misspelt names.
// [Env.Tables] yields every lookup table that the configuration reaches.
//
// # What there is
//
// [Params] lists the parameters of a release of Postfix, from 1.1 to 3.12, as
// published or as Debian builds it; [LookupParam] knows the removed ones too;
// [Suggest] finds what a misspelt name may have meant.
//
// # Limits
//
// The package does not open tables, does not look at master.cf (give its
// services to [Env.Services]), and does not know whether a file or host that a
// value names exists. Values that only the running machine knows come from
// [Machine], or from the caller.
package maincf
