"""The socket the service listens on."""

import socket
from contextlib import closing

from twinstile import serving


def test_no_answer_waits_for_the_client_to_confirm_its_head() -> None:
    with (
        closing(serving.listen("127.0.0.1", 0)) as listening,
        closing(socket.create_connection(listening.getsockname())),
        closing(listening.accept()[0]) as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
