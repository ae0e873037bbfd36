package hashmap
