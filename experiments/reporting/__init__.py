"""The report of a run: one HTML file that holds everything it shows and asks for nothing.

Read in this order: ``searches`` and ``folder`` (what a run writes, and how it is read back), ``people`` and ``answers``
(what the result files leave out), ``summaries`` (the numbers), ``markup``, ``charts`` and ``paths`` (how they look),
``shown``, ``overview``, ``comparison``, ``process`` and ``asking`` (the parts), ``browsing`` (what the page's script is
given), ``page`` (the file) and ``job`` (that of a run that ends).
"""
