"""One text of the user's own -> a result: what every face of the package calls and shows. Nothing here prints or draws."""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
