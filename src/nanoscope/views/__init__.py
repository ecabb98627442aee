"""Results for a text of the user's own, shared by all user interfaces. Nothing here prints or draws."""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
