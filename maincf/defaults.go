package maincf

func listDefault(name string) (string, error) { return "", nil }

func isList(name string) bool { return false }
