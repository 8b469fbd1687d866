module example.com/x
demand github.com/a/b v1
