"""A page that shows a model live: a server on this machine, which calls views, and the built page in `static/`."""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
