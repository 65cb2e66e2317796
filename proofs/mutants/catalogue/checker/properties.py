"""Mistakes in the properties that are predicates of the stores: one that holds where it must not, or is never met."""

from __future__ import annotations

from confsync.proofs.mutants.mutant import Mutant

PREDICATES = "model/libxl/properties.py"
FACT = "test_predicate_facts.py::test_a_property_over_the_stores"

PROPERTIES = (
    Mutant(
        "drive-may-be-unfaithful", PREDICATES,
        "lambda s, k: implies(_has_medium(s, k), _agrees(s, k)),",
        "lambda s, k: implies(all_of(_has_medium(s, k), neg(k.ejectable)), _agrees(s, k)),",
        "template_is_faithful is about ordinary devices only", FACT,
    ),
    Mutant(
        "any-entry-is-faithful", PREDICATES,
        "lambda s, k: implies(_has_medium(s, k), _agrees(s, k)),",
        "lambda s, k: implies(_has_medium(s, k), _in_template(s, k)),",
        "template_is_faithful is content with any entry", FACT,
    ),
    Mutant(
        "any-medium-agrees", PREDICATES,
        "lambda s, k: implies(_loaded(s, k), _agrees(s, k)),",
        "lambda s, k: implies(_loaded(s, k), _in_template(s, k)),",
        "medium_agrees is content with any medium", FACT,
    ),
    Mutant(
        "empty-drive-has-medium", PREDICATES,
        "    return all_of(s.xenstore[k].present, neg(s.xenstore[k].empty))\n", "    return s.xenstore[k].present\n",
        "the medium of an empty drive has to be the template's", FACT,
    ),
    Mutant(
        "entry-that-says-empty-is-none", PREDICATES,
        "    return s.template[k] != ABSENT\n", "    return all_of(s.template[k] != ABSENT, s.template[k] != 1)\n",
        "a drive that is empty has no entry in the template", FACT,
    ),
    Mutant(
        "resources-of-the-template", PREDICATES,
        "lambda s, k: implies(_has_resources(s, k), _present(s, k)),",
        "lambda s, k: implies(all_of(_has_resources(s, k), _in_template(s, k)), _present(s, k)),",
        "resources_have_xenstore forgets what the template lacks", FACT,
    ),
    Mutant(
        "lost-update-leaves-an-entry", PREDICATES,
        "implies(_vouched(s, k), s.template[k] == s.vouched[k])", "implies(_vouched(s, k), _in_template(s, k))",
        "no_lost_update is content with any entry", FACT,
    ),
    Mutant(
        "nothing-is-vouched", PREDICATES,
        "            _vouched,\n", "            lambda s, k: False,\n",
        "no_lost_update is never met", FACT,
    ),
    Mutant(
        "lock-file-may-outlive-domain", PREDICATES,
        "all_of(neg(s.saved), neg(left))", "neg(s.saved)",
        "userdata_dies_with_domain does not look for a lock file", FACT,
    ),
    Mutant(
        "template-may-outlive-the-dead", PREDICATES,
        "implies(neg(s.alive), all_of(neg(s.saved), neg(left)))",
        "implies(all_of(neg(s.alive), s.crashes == 0), all_of(neg(s.saved), neg(left)))",
        "a process that died may leave a template of no domain", FACT,
    ),
)  # fmt: skip
