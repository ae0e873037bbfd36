// Package headercheck looks at a mail message the way Postfix does for
// header_checks and body_checks, header_checks(5): which lines of it are looked
// up in which table, and what the results do to the message.
//
// What it does with any table, a pattern table in most cases:
//
//	table, err := regexpmap.ParseFile(os.DirFS("/etc/postfix"), "header_checks", regexpmap.POSIX, nil)
//	if err != nil {
//		return err
//	}
//	c := headercheck.Checker{Header: table}
//	verdict, err := c.Check(ctx, message)
//	if err != nil {
//		return err
//	}
//	if verdict.Kind == headercheck.Reject {
//		fmt.Println(verdict.Status, verdict.Text) // 5.7.1 no such attachments here
//	}
//
// [Checker.Rewrite] also writes the message as changed by REPLACE, PREPEND,
// STRIP and IGNORE. A [Scanner] gives the parts of a message one by one, and
// [Keys] the keys that postmap -h, -b and -m look up.
//
// # What is a key
//
// A header is one key, with all its continuation lines: they are joined by a
// line feed, and the white space they start with stays. White space between
// the header name and the colon is dropped. Header checks are three: for the
// message itself, for MIME headers (Content-Type and the like wherever they
// stand, and every header of a body part), and for the headers of attached
// messages. Each line of the body is a key; boundaries between parts count as
// body, decoding does not happen. An empty line is never looked up.
//
// # Limits
//
// Those of cleanup(8), see [Options]. Addresses are not rewritten and no
// headers are added; what Postfix does with a message besides the checks is
// not simulated. A Scanner needs memory for one header, and one line.
package headercheck
