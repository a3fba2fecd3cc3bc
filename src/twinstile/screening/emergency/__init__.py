"""People who come unconscious, gravely ill or dead: a case first, a name later."""
