"""Lists for the front (``config/kamailio``), out of the settings. Pure.

Kamailio reads them at its start and again on ``kamcmd permissions.addressReload`` and
``kamcmd dispatcher.reload``.
"""

import ipaddress

from ivr.errors import SettingsError
from ivr.settings import Settings

GROUP = 1
"""Number of the one set of peers, and of the one set of workers."""


def address_list(settings: Settings) -> str:
    """``address.list`` of Kamailio's permissions module: the networks of every trunk.

    Raises:
        SettingsError: there are no trunks, and nobody could call.
    """
    if not settings.trunks:
        raise SettingsError(
            "The front would let nobody call.",
            why="the settings name no [[trunks]], and strangers get no answer",
            remedy="Add a [[trunks]] table with the networks of the provider.",
        )
    lines = ["# group, address, prefix length, port (0: any), trunk; made by ivr config kamailio"]
    for trunk in settings.trunks:
        for text in trunk.networks:
            network = ipaddress.ip_network(text, strict=False)
            lines.append(f"{GROUP} {network.network_address} {network.prefixlen} 0 {trunk.name}")
    return "\n".join(lines) + "\n"


def dispatcher_list(settings: Settings) -> str:
    """``dispatcher.list`` of Kamailio's dispatcher module: every worker of ``ivr serve``.

    Raises:
        SettingsError: the workers' ports are chosen by the system.
    """
    sip = settings.sip
    if sip.port == 0:
        raise SettingsError(
            "The front cannot know the workers' ports.",
            why="sip.port is 0, so the system chooses them anew at every start",
            remedy="Set sip.port to the first worker's port; the others count up from it.",
        )
    host = f"[{sip.bind}]" if ":" in sip.bind else sip.bind
    lines = ["# set, worker, flags, priority; made by ivr config kamailio"]
    lines += [f"{GROUP} sip:{host}:{sip.port + number} 0 0" for number in range(sip.workers)]
    return "\n".join(lines) + "\n"
