"""An attach step by step, and every other operation at once: small enough to be proved in two seconds."""
base = "xenstore_first_locked"


@step
def create_at_once(s, me):
    """Create the domain with its template, devices and resources."""
    me.waits_until(neg(s.locked))
    me.fails_if(any_of(s.alive, s.saved))
    s.alive = True
    s.saved = True
    s.name = me.draft_name
    s.memory = me.draft_memory
    s.granted = me.draft_memory
    s.template = me.draft
    s.template_name = me.draft_name
    s.template_memory = me.draft_memory
    s.xenstore = me.draft
    s.resources = pointwise(lambda k: me.draft[k] != ABSENT)


@step
def detach_at_once(s, me):
    """Take the device out of xenstore and of the template; refused if there is none."""
    me.waits_until(neg(s.locked))
    me.fails_if(neg(s.xenstore[me.slot].present))
    s.template[me.slot] = ABSENT
    s.xenstore[me.slot] = ABSENT
    s.resources[me.slot] = False


@step
def insert_at_once(s, me):
    """Put a medium into an empty drive; refused if it is not empty."""
    me.waits_until(neg(s.locked))
    me.fails_if(any_of(neg(s.saved), neg(s.xenstore[me.slot].empty)))
    s.template[me.slot] = me.config
    s.xenstore[me.slot] = me.config


@step
def eject_at_once(s, me):
    """Empty a drive; refused if there is none."""
    me.waits_until(neg(s.locked))
    me.fails_if(any_of(neg(s.saved), neg(s.xenstore[me.slot].present)))
    s.template[me.slot] = EMPTY
    s.xenstore[me.slot] = EMPTY


@step
def swap_at_once(s, me):
    """Replace the medium of a drive; refused if there is none."""
    me.waits_until(neg(s.locked))
    me.fails_if(any_of(neg(s.saved), neg(s.xenstore[me.slot].present)))
    s.template[me.slot] = me.config
    s.xenstore[me.slot] = me.config


@step
def set_memory_at_once(s, me):
    """Set the memory target in both places; refused if there is no domain."""
    me.waits_until(neg(s.locked))
    me.fails_if(neg(s.alive))
    s.granted = me.amount
    s.memory = me.amount


@step
def rename_at_once(s, me):
    """Set the name; refused if there is no domain."""
    me.waits_until(neg(s.locked))
    me.fails_if(neg(s.alive))
    s.name = me.new_name


@step
def look(s, me):
    """Read template and xenstore at one instant; refused if there is no domain or no template."""
    me.waits_until(neg(s.locked))
    me.fails_if(any_of(neg(s.alive), neg(s.saved)))
    me.draft = s.template
    merge_devices.run(s, me)
    merge_media.run(s, me)
    me.draft_name = s.name
    me.draft_memory = s.memory


@step
def destroy_at_once(s, me):
    """Remove all there is of the domain; refused if there is none."""
    me.waits_until(neg(s.locked))
    me.fails_if(neg(s.alive))
    s.alive = False
    s.saved = False
    s.name = 0
    s.memory = 0
    s.granted = 0
    s.template = pointwise(lambda k: ABSENT)
    s.template_name = 0
    s.template_memory = 0
    s.xenstore = pointwise(lambda k: ABSENT)
    s.resources = pointwise(lambda k: all_of(s.resources[k], False))


create = [create_at_once]
detach = [detach_at_once]
insert = [insert_at_once]
eject = [eject_at_once]
swap = [swap_at_once]
set_memory_target = [set_memory_at_once]
rename = [rename_at_once]
retrieve = [look, answer]
destroy = [destroy_at_once]
