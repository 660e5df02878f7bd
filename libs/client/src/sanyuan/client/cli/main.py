"""The ``sanyuan`` command: its table of subcommands."""

import logging

import structlog
import typer

from sanyuan.client.cli import (
    archiving,
    calling,
    cases,
    catalogue,
    grants,
    heads,
    issuing,
    licenses,
    log,
    membership,
    proofs,
    provisioning,
    recovering,
    resources,
    verifying,
    withholding,
    witnessing,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    help="Sanyuan (三元): connect a system, ask, and check the log.",
)
app.command("join")(membership.join_command)
app.command("recover")(recovering.recover)
app.add_typer(membership.agency, name="agency")
app.command("provision")(provisioning.provision_command)
app.command("verify-person")(verifying.verify_person)
app.command("verify-organisation")(verifying.verify_organisation)
app.command("search")(catalogue.search)
app.command("publish-resource")(resources.publish_resource)
app.command("withdraw-resource")(resources.withdraw_resource)
app.command("review")(resources.review)
app.command("request-grant")(grants.request_grant)
app.add_typer(grants.grants, name="grants")
app.command("call")(calling.call)
app.command("serve")(calling.serve)
app.command("register-license-type")(issuing.register_license_type)
app.command("issue-license")(issuing.issue_license)
app.add_typer(issuing.licenses, name="license")
app.command("request-license-fields")(licenses.request_license_fields)
app.command("present")(licenses.present)
app.command("verify-presentation")(licenses.verify_presentation)
app.command("check-license")(licenses.check_license)
app.command("raise-dispute")(licenses.raise_dispute)
app.command("answer-dispute")(licenses.answer_dispute)
app.command("verify")(log.verify)
app.command("follow")(log.follow)
app.command("proof")(proofs.proof)
app.command("verify-proof")(proofs.verify_proof)
app.add_typer(witnessing.witness, name="witness")
app.add_typer(heads.heads, name="heads")
app.command("verify-misbehaviour")(witnessing.verify_misbehaviour)
app.command("withhold")(withholding.withhold)
app.command("archive-log")(archiving.archive_command)
app.command("case")(cases.case_command)
app.command("trace")(cases.trace_command)


def main() -> None:
    """Entry point of the ``sanyuan`` command."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    app()
