// Package aliases reads, edits and expands Postfix alias files: aliases(5),
// the :include: files they name, and the .forward files of users.
//
// [Parse] gives a [File] that keeps every byte. [NewScanner] streams the
// records postalias(1) stores from a source of any size.
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
// Of two aliases with the same name the first counts.
//
// # Two forms of names
//
// A name in internal form is what it means: two words. In external form it is
// quoted: "two words". Up to Postfix 3.11 tables store names in internal form,
// since 3.12 in the external form of the file. Methods of File take and give
// the internal form; [Scanner] and [File.Lookup] know both.
package aliases
