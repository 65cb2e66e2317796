"""Mistakes in what a proof is written down as: the scripts, the certificate, its reader, the second solver. One that
passes whatever stands there certifies nothing."""

from __future__ import annotations

from confsync.proofs.mutants.mutant import Mutant

CERTIFICATE, READER = "proofs/prover/certificate/certificate.py", "proofs/prover/certificate/certificate_reader.py"
SMTLIB, SECOND = "proofs/prover/certificate/smtlib.py", "proofs/prover/certificate/second.py"
LEFT_OUT = "test_certificate.py::test_no_transition_and_no_lemma_is_left_out"
TAMPERED = "test_certificate_reader.py::test_what_was_removed_or_weakened_is_named"
TWO_ANSWERS = "test_second.py::test_what_two_answers_come_to"

CERTIFYING = (
    Mutant(
        "certificate-shows-whatever", CERTIFICATE,
        '"shown": shown[t.name] if proof.found.goals(step) else BY_THE_FRAME,',
        '"shown": shown.get(t.name, BY_THE_FRAME) if not proof.found.goals(step) else BY_THE_FRAME,',
        "a certificate says of every transition that it writes nothing",
        LEFT_OUT,
    ),
    Mutant(
        "certificate-without-idle-transitions", CERTIFICATE,
        "    for step in proof.found.steps:\n        t = step.transition\n        yield {",
        "    for step in proof.found.steps:\n        t = step.transition\n        if not step.here:\n"
        "            continue\n        yield {",
        "a certificate leaves the first step of each operation out",
        LEFT_OUT,
    ),
    Mutant(
        "certificate-claims-the-undecided", CERTIFICATE,
        '"verdict": verdict.value,\n        "words"',
        '"verdict": "PROVED",\n        "words"',
        "a certificate says PROVED of what was not decided",
        "test_certificate.py::test_one_of_a_design_with_refuted_properties_too",
    ),
    Mutant(
        "certificate-over-other-things", CERTIFICATE,
        "    if not {p.name for p in directory.iterdir()} <= CONTENTS:\n        return False\n", "",
        "a folder that holds other things too is replaced",
        "test_certificate.py::test_what_is_in_the_way_is_left_alone_and_told",
    ),
    Mutant(
        "check-script-never-fails", CERTIFICATE,
        '[ "$wrong" -eq 0 ]\n"""', 'true\n"""',
        "the script of a certificate ends well whatever a solver answers",
        "test_certificate.py::test_what_was_tampered_with_does_not_pass",
    ),
    Mutant(
        "check-script-counts-its-files-only", CERTIFICATE,
        'there=$(cd "$here" && find obligations ! -type d)\n', 'there=""\n',
        "an obligation's file that no index names goes unnoticed",
        "test_certificate.py::test_what_was_tampered_with_does_not_pass",
    ),
    Mutant(
        "reader-takes-any-answer", READER,
        "self.wrong += [f\"{q[0]} ({x})\" for q, x in zip(self.questions, said, strict=True) if x != q[1]]",
        "self.wrong += [f\"{q[0]} ({x})\" for q, x in zip(self.questions, said, strict=True) if x == 'unknown']",
        "the reader of a certificate takes any answer for the right one",
        TAMPERED,
    ),
    Mutant(
        "reader-derives-no-orders", READER,
        "        reader.orders()\n", "",
        "the reader does not derive which transitions there must be",
        TAMPERED,
    ),
    Mutant(
        "reader-asks-for-no-weakness", READER,
        '"unsat", (*here, wrong, ("not", fails))))', '"unsat", ("false",)))',
        "a file that shows less than it must goes unnoticed",
        TAMPERED,
    ),
    Mutant(
        "reader-lets-files-assume", READER,
        "            if strange or (it_fails", "            if (it_fails",
        "a file may assume what is not known",
        TAMPERED,
    ),
    Mutant(
        "reader-ignores-contradictions", READER,
        '        self.questions.append((f"{name}: what is known contradicts itself", "sat", given))\n', "",
        "an obligation may follow from a contradiction",
        TAMPERED,
    ),
    Mutant(
        "reader-keeps-old-values", READER,
        '    return value if head in new or rest[0] == "me" else', '    return (head, *rest) if rest[0] == "me" else',
        "the reader takes the values before a transition for those after it",
        "test_certificate_reader.py::test_what_is_whole_passes",
    ),
    Mutant(
        "reader-ends-well", READER,
        "    sys.exit(bool(reader.wrong))\n", "    sys.exit(0)\n",
        "the reader finds faults and ends with 0",
        TAMPERED,
    ),
    Mutant(
        "script-without-its-first-lemma", SMTLIB,
        'assertions("lemma", o.lemmas)', 'assertions("lemma", o.lemmas[1:])',
        "a script leaves out a lemma that its proof rests on",
        "test_certificate.py::test_a_file_says_what_it_is_and_names_all_it_assumes",
    ),
    Mutant(
        "answers-are-taken-for-proofs", SMTLIB,
        "Verdict.REFUTED: Answer.SAT}.get(discharged.verdict, Answer.UNKNOWN)",
        "Verdict.REFUTED: Answer.UNSAT}.get(discharged.verdict, Answer.UNKNOWN)",
        "a refuted obligation is taken for a proved one",
        "test_second.py::test_what_z3_answered_is_what_is_held_against_another_solver",
    ),
    Mutant(
        "second-solver-never-disagrees", SECOND,
        "    if any(a is not b for a, b in pairs if Answer.UNKNOWN not in (a, b)):\n", "    if False:\n",
        "two solvers that answer differently agree",
        TWO_ANSWERS,
    ),
    Mutant(
        "second-solver-forgives-errors", SECOND,
        "    agreement = Agreement.DISAGREES if error else compare(first, said)\n",
        "    agreement = compare(first, said)\n",
        "a script that cannot be read is no disagreement",
        "test_second.py::test_a_script_that_it_cannot_read_is_a_disagreement",
    ),
)  # fmt: skip
