package maincf

var functions = map[string]func(string) (string, error){}
