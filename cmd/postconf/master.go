package main

// master shows and edits master.cf: -M, -F and -P, alone or with -e, -X and -#.
// Everything about master.cf beyond what main.cf parameters depend on (see
// services) belongs into this file.
func (c *command) master(operands []string) error {
	return fatalf("option %s: master.cf is not supported yet", (c.mode & masterModes).names())
}
