"""Websites as sources: a polite crawl of one origin at a time.

``addresses`` decides where connections may go, ``fetching`` makes one bounded request, ``robots``, ``sitemaps`` and
``pages`` read what comes, ``urls`` tells pages apart, ``frontier`` is what a crawl has before it, and ``connector``
is the crawl.
"""
