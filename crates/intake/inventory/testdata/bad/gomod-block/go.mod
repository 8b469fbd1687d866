module example.com/x
require (
