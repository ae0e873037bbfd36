// Package aliases reads, edits and expands Postfix alias files: aliases(5),
// the :include: files they name, and the .forward files of users.
//
// [Parse] gives a [File] that keeps every byte; what an edit is not about does
// not change:
//
//	changed, err := aliases.UpdateFile("/etc/aliases", nil, func(f *aliases.File) error {
//		_, err := f.AddTarget("root", aliases.Target{Kind: aliases.Address, Value: "alice@example.com"})
//		return err
//	})
//
// [NewScanner] streams the records postalias(1) stores from a source of any
// size into a table builder. [Expander] tells where mail for a name goes, as
// local(8) delivers it; a [Graph] answers the reverse: who reaches this
// address, what nobody mentions, where are loops and missing files.
//
// # The language
//
// A line "name: target, target" maps a local name to targets: mail addresses,
// "|command", /file/name and :include:/file. Empty lines and lines that start
// with "#" are comments, also inside an alias; a line that starts with white
// space continues the one before. There is no comment after data: "root: alice
// # the boss" sends mail to four addresses. Text is read as RFC 822 tokens, so
// that names and targets with special characters stand in double quotes or
// have backslashes before them, and text in parentheses is a comment. Commas
// between targets may be left out, which is why a command with arguments must
// be quoted as a whole: "|/usr/bin/filter -f x".
//
// Names are folded to lower case, with all of Unicode when the line is UTF-8.
// Of two aliases with the same name the first counts. An :include: or .forward
// file has the targets only; each of its lines is a list of its own, and only a
// "#" at the very start of a line makes a comment.
//
// What postalias(1) ignores or warns about is the error of Parse, with its
// messages; what it takes without a word and is surely not meant is the result
// of [File.Check].
//
// # Two forms of names
//
// A name in internal form is what it means: two words. In external form it is
// quoted: "two words". Up to Postfix 3.11 tables store names in internal form,
// since 3.12 in the external form of the file. Methods of File take and give
// the internal form; [Scanner] and [File.Lookup] know both; an Expander asks
// tables for both, so that it does not matter which release built them.
//
// # Limits
//
// Alias files and the files they name may be written by anyone. Everything
// here is bounded: the length of a line by [Options], depth, number and size of
// an expansion by [Expander]. What exceeds a limit is an error that wraps
// [ErrLimit]. No file is read except through the file system given to the
// Expander.
//
// # What it is not for
//
// virtual(5) and canonical(5) tables have the syntax of package textmap. The
// rewriting of addresses by such tables, transports, and the rights with which
// local(8) opens files are not modelled; neither does the package deliver mail
// or run commands.
package aliases
