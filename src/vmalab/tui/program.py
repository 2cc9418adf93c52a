# SPDX-License-Identifier: GPL-2.0-or-later
"""What all programs on the terminal have: Ctrl-C ends them, and no byte that comes does."""

from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver


class _Terminal(LinuxDriver):
    """A terminal whose keyboard may send anything: what is no UTF-8 is lost."""

    def run_input_thread(self) -> None:
        """Take what is typed until the program ends."""
        while not self.exit_event.is_set():
            try:
                super().run_input_thread()
            except UnicodeDecodeError:
                # It begins anew with the next byte.
                continue


class TerminalProgram(App[None]):
    """A program that answers keys."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        # Also above a window, and where a line is typed.
        Binding("ctrl+c", "quit", show=False, priority=True),
    ]

    def get_driver_class(self) -> type[Driver]:
        """Return what drives the terminal."""
        usual = super().get_driver_class()
        return _Terminal if usual is LinuxDriver else usual
