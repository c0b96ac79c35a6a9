"""The commands of `python -m study`, in files that are named like the folders whose work they ask for.

To import this package registers them all. Slow imports (torch, open_clip, scipy) stand inside the commands that need
them, so that `status` answers at once.
"""

from study.commands import axes, choosing, exporting, keeping, running, starting, varying

__all__ = ["axes", "choosing", "exporting", "keeping", "running", "starting", "varying"]
