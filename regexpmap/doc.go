// Package regexpmap reads and answers regexp_table(5) and pcre_table(5): lists
// of patterns with the text to return, searched from top to bottom.
//
//	t, err := regexpmap.ParseFile(nil, "/etc/postfix/header_checks", regexpmap.PCRE, nil)
//	var found diag.List
//	if err != nil && !errors.As(err, &found) {
//		return err // the file could not be read
//	}
//	action, ok, err := t.Lookup(ctx, "Subject: make money fast")
//
// A table with bad rules is usable, as it is for Postfix: the bad rules are
// left out, and the error is a [diag.List] that says which, where and why, in
// the words Postfix uses.
//
// # What matches
//
// Patterns are parsed here, for both dialects, into one syntax tree over bytes;
// a pattern is never handed to an engine that reads it its own way. regexp:
// patterns mean what they mean to the GNU C library (extended or, with the x
// flag, basic syntax, with its extensions), pcre: patterns what they mean to
// PCRE2 10.42 as Postfix calls it. Keys and patterns are bytes in the C locale:
// '.' is one byte, and only ASCII letters have two cases.
//
// A pattern that is good but cannot be honoured exactly is left out with a
// finding whose Check is [Unsupported]; it is never answered approximately. If
// such a pattern is the condition of an "if", no rule up to its "endif"
// matches. These are:
//
//   - (*UTF), (*UCP), newline, match and limit settings at the start of a
//     pattern; the verbs (*COMMIT), (*PRUNE), (*SKIP), (*THEN); some \p
//     properties; patterns so long that PCRE2 may refuse them, that the graph
//     the GNU C library makes for groups would have over 4,000 nodes, or that
//     neither an automaton of 25,000 states nor a program of 200,000
//     instructions holds them; over 200 repetitions of a repetition, as in
//     a***.
//   - What PCRE2 answers wrongly: an optional backreference inside an
//     alternative of its own group, a possessive optional group behind a
//     repeated byte.
//   - What depends on errors of the GNU C library: a backreference, or the
//     group it refers to, inside a repetition or alternative; and $1 in the
//     result of a pattern with a backreference and any choice. Other errors of
//     the library are answered as it answers: an assertion in the second round
//     of a repetition, as in (^a){2}, holds everywhere.
//
// In 9,221 patterns, 5,964 of them in use somewhere, 68 were refused, and none
// of those in use.
//
// # Cost
//
// The literals that rules need are looked for in the key in one pass, and only
// rules whose literals are all there are tried: a header line is looked up in
// well under a microsecond in a hundred rules, in one or two in ten thousand.
// Regular patterns, nearly all that are in use, take time linear in the length
// of the key. The others run on a backtracking matcher with a budget of steps,
// which is used up in about a third of a second. So have regular ones, but only
// thousands of states and keys of tens of kilobytes use that up. A rule that
// does so counts as not satisfied, negated or not, which is what Postfix does
// when PCRE2 reports "match limit exceeded"; [Options.Warn] is told. The budget
// is counted in steps, not time, and what was looked up before makes no
// difference: the same key has the same answer on a busy host.
//
// What package regexp takes to find the groups for a result with $1 is not in
// the budget: it is proportional to the key and the pattern, some seconds when
// both are as large as those.
//
// Ten thousand rules take about 0.2 s to parse and 8 MB to keep. What a rule
// needs to be tried is made when it is tried first, some five to ten kilobytes
// in most cases, and kept.
//
// # Not for
//
// Header and body checks need the message taken apart first, access tables
// need keys made; other packages do both with a table from here. Partial keys
// (parent domains, the local part) are never tried: see [Table.IsPattern].
package regexpmap
