"""How good a judge is: ratings of several raters held against each other."""
