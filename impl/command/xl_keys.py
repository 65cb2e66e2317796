"""The keys of a configuration file that stand for one value each: where the template keeps it, and how it is read
[xl.cfg(5); parse_config_data; the names of the template's fields: libxl_types.idl].

Keys that need more than one value to be read are in xl_config.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from confsync.impl.command.xl_values import (
    Reader,
    boolean,
    colours,
    each,
    frames,
    irq,
    mebibytes,
    mebibytes_between,
    name_of,
    name_or_number,
    named,
    number,
    ports,
    text,
    texts,
    texts_or_words,
    unsigned,
)
from confsync.impl.command.xl_words import MOST_INT


@dataclass(frozen=True, slots=True)
class Key:
    """A key. `default`: what libxl takes it for when it is not given, which its JSON leaves out."""

    place: tuple[str, ...]
    """The fields of the template, from the outside."""
    read: Reader
    types: tuple[str, ...] = ("pv", "hvm", "pvh")
    """The types of domain that xl reads it for."""
    default: str | int | None = None


_ACTIONS = {
    "destroy": "destroy", "restart": "restart", "rename-restart": "restart_rename", "preserve": "preserve",
    "coredump-destroy": "coredump_destroy", "coredump-restart": "coredump_restart", "soft-reset": "soft_reset",
}  # fmt: skip
"""What happens to a domain that stops: xl's name, and libxl's."""
TIMER_MODES = (
    "delay_for_missed_ticks", "no_delay_for_missed_ticks", "no_missed_ticks_pending", "one_missed_tick_pending",
)  # fmt: skip
_HVM = ("hvm",)


def _all(part: str, reader: Reader, **names: str) -> dict[str, Key]:
    """Keys of a part of the template, and its names of them. A `__` in a name stands between two fields."""
    return {key: Key((part, *field.split("__")), reader) for key, field in names.items()}


def _b(reader: Reader, *same: str, **names: str) -> dict[str, Key]:
    """Keys of `b_info` for every type: those that the template calls the same, and the others with its names."""
    return _all("b_info", reader, **{name: name for name in same}, **names)


def _hvm(reader: Reader, *same: str, **names: str) -> dict[str, Key]:
    """The same for HVM alone."""
    found = _all("type.hvm", reader, **{name: name for name in same}, **names)
    return {name: Key(("b_info", *key.place), reader, _HVM) for name, key in found.items()}


_KEYS: Mapping[str, Key] = {
    **_all("c_info", text, name="name", pool="pool_name"),
    **_all("c_info", boolean, hap="hap", oos="oos", driver_domain="driver_domain"),
    **_all("c_info", boolean, xend_suspend_evtchn_compat="xend_suspend_evtchn_compat"),
    "passthrough": Key(
        ("c_info", "passthrough"), name_of("default", "disabled", "enabled", "sync_pt", "share_pt"), default="default"
    ),
    **_b(number(1, 65535), cpu_weight="sched_params__weight"),
    **_b(number(0, 51200), cap="sched_params__cap"),
    **_b(number(0), period="sched_params__period", slice="sched_params__slice", latency="sched_params__latency"),
    **_b(number(0), extratime="sched_params__extratime"),
    **_b(mebibytes, shadow_memory="shadow_memkb", videoram="video_memkb", stubdomain_memory="stubdomain_memkb"),
    **_b(unsigned, "rtc_timeoffset", "xenstore_feature_mask", max_event_channels="event_channels"),
    **_b(number(0), "max_grant_frames", "max_maptrack_frames", "max_grant_version", "vmtrace_buf_kb"),
    **_b(number(0, 65535), "altp2m_count"),
    **_b(boolean, "localtime", "acpi", "bootloader_restrict", "dm_restrict", "vpmu", "trap_unmapped_accesses"),
    **_b(boolean, nomigrate="disable_migrate", nestedhvm="nested_hvm"),
    **_b(boolean, device_model_stubdomain_override="device_model_stubdomain"),
    **_b(text, "ramdisk", "device_tree", "bootloader", "bootloader_user", "device_model_user"),
    **_b(text, "stubdomain_kernel", "stubdomain_cmdline", "stubdomain_ramdisk"),
    **_b(text, device_model_override="device_model", device_model_stubdomain_seclabel="device_model_ssid_label"),
    **_b(texts, device_model_args="extra", device_model_args_pv="extra_pv", device_model_args_hvm="extra_hvm"),
    **_b(texts_or_words, "bootloader_args"),
    **_b(each(ports), "ioports"),
    **_b(each(irq), "irqs"),
    **_b(each(frames), "iomem"),
    **_b(colours, "llc_colors"),
    **_b(
        named({"qemu-xen": "qemu_xen", "qemu-xen-traditional": "qemu_xen_traditional"}),
        "device_model_version",
    ),
    "tsc_mode": Key(
        ("b_info", "tsc_mode"),
        name_or_number("default", "always_emulate", "native", "native_paravirt"),
        default="default",
    ),
    "altp2m": Key(("b_info", "altp2m"), name_or_number("disabled", "mixed", "external", "limited"), default="disabled"),
    "tee": Key(("b_info", "tee"), name_of("none", "optee", "ffa"), default="none"),
    "timer_mode": Key(("b_info", "timer_mode"), name_or_number(*TIMER_MODES), ("hvm", "pvh")),
    "apic": Key(("b_info", "apic"), boolean, _HVM),
    "vuart": Key(("b_info", "arch_arm", "vuart"), name_of("unknown", "sbsa_uart"), default="unknown"),
    "gic_version": Key(("b_info", "arch_arm", "gic_version"), name_of("default", "v2", "v3"), default="default"),
    "sve": Key(
        ("b_info", "arch_arm", "sve_vl"),
        name_of("hw", "disabled", *(str(bits) for bits in range(128, 2049, 128))),
        default="disabled",
    ),
    "nr_spis": Key(("b_info", "arch_arm", "nr_spis"), number(0)),
    "msr_relaxed": Key(("b_info", "arch_x86", "msr_relaxed"), boolean),
    "e820_host": Key(("b_info", "type.pv", "e820_host"), boolean, ("pv",)),
    "pvshim": Key(("b_info", "type.pvh", "pvshim"), boolean, ("pvh",)),
    **{name: Key(("b_info", "type.pvh", name), text, ("pvh",)) for name in ("pvshim_path", "pvshim_cmdline")},
    "pvshim_extra": Key(("b_info", "type.pvh", "pvshim_extra"), text, ("pvh",)),
    **_hvm(boolean, "pae", "acpi_s3", "acpi_s4", "acpi_laptop_slate", "nx", "hpet", "vpt_align", "nographic", "usb"),
    **_hvm(boolean, "xen_platform_pci", "xen_platform_pci_bar_uc", "vkb_device", hvm_pirq="pirq", altp2mhvm="altp2m"),
    **_hvm(text, "smbios_firmware", "acpi_firmware", "keymap", "boot", "soundhw"),
    **_hvm(text, firmware_override="firmware", bios_path_override="system_firmware"),
    **_hvm(name_of("rombios", "seabios", "ovmf"), "bios"),
    **_hvm(mebibytes_between(256, 3840), mmio_hole="mmio_hole_memkb"),
    **_hvm(mebibytes, rdm_mem_boundary="rdm_mem_boundary_memkb"),
    "hdtype": Key(("b_info", "type.hvm", "hdtype"), name_of("ide", "ahci"), _HVM, "ide"),
    **_hvm(number(0, MOST_INT), "usbversion"),
    "vendor_device": Key(("b_info", "type.hvm", "vendor_device"), name_of("none", "xenserver"), _HVM, "none"),
    **_hvm(boolean, vnc="vnc__enable", vncunused="vnc__findunused", sdl="sdl__enable", opengl="sdl__opengl"),
    **_hvm(
        text, vnclisten="vnc__listen", vncpasswd="vnc__passwd", display="sdl__display", xauthority="sdl__xauthority"
    ),
    **_hvm(number(0), vncdisplay="vnc__display"),
    **_hvm(boolean, spice="spice__enable", spicedisable_ticketing="spice__disable_ticketing"),
    **_hvm(boolean, spiceagent_mouse="spice__agent_mouse", spicevdagent="spice__vdagent"),
    **_hvm(boolean, spice_clipboard_sharing="spice__clipboard_sharing"),
    **_hvm(number(0, 65535), spiceport="spice__port", spicetls_port="spice__tls_port"),
    **_hvm(number(0), spiceusbredirection="spice__usbredirection"),
    **_hvm(text, spicehost="spice__host", spicepasswd="spice__passwd"),
    **_hvm(text, spice_image_compression="spice__image_compression", spice_streaming_video="spice__streaming_video"),
}
_ZERO_IS_UNSET = (
    "display", "port", "tls_port", "usbredirection", "usbversion", "rtc_timeoffset", "event_channels", "vmtrace_buf_kb",
)  # fmt: skip
"""Fields that libxl begins with 0, and so leaves out when they are."""
KEYS: Mapping[str, Key] = {
    name: replace(key, default=0) if key.place[-1] in _ZERO_IS_UNSET and key.default is None else key
    for name, key in _KEYS.items()
}
"""The keys by their names."""
ON: Mapping[str, Reader] = {
    name: named(_ACTIONS) for name in ("on_poweroff", "on_reboot", "on_watchdog", "on_crash", "on_soft_reset")
}
"""What happens when the domain stops, by why it did."""
ON_OTHERWISE = {"on_reboot": "restart", "on_soft_reset": "soft_reset"}
"""What xl writes where the file says nothing, and libxl would take another action."""
