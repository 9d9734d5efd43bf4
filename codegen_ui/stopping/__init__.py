"""When a completion ends: stop strings, the paper's truncation, the end of the function.

stopper.py        a request's rules together, and what may be shown while they are undecided
patterns.py       strings looked for: stop strings and the paper's truncation
function_end.py   a lexer that follows one function or class to its end
preamble.py       what comes before it: English, docstrings, imports, constants
"""

from codegen_ui.stopping.patterns import END_OF_TEXT
from codegen_ui.stopping.stopper import Stopper, truncate

__all__ = ["END_OF_TEXT", "Stopper", "truncate"]
