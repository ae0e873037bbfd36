package main

import "fmt"

// showMaps lists the lookup table types of this program: -m.
func (c *command) showMaps() error {
	for _, name := range tableTypes() {
		fmt.Fprintln(c.stdout, name)
	}
	return nil
}

func tableTypes() []string { return nil }
