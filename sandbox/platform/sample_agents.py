"""The agents of the sandbox: ordinary work that is risky enough to ask about, and the awkward cases."""

from __future__ import annotations

from sandbox.platform.agents import Agent, RiskyTool, SafeTool, Say

_OFFER = """Dear Jane,

thank you for the conversations over the past weeks. We are glad to offer you the role of
Senior Backend Engineer, starting on 1 February, with a yearly salary of EUR 78,000.

The contract is attached. Please let us know by Friday.

Kind regards
Acme People Team"""

MAIL = Agent(
    name="mail_agent",
    about="Sends job offers by e-mail.",
    steps=(
        Say(text="I'll look up the candidate and prepare the offer."),
        SafeTool(tool="find_contact", arguments={"name": "Jane Doe"}, answer="jane.doe@example.com"),
        RiskyTool(
            tool="send_email",
            arguments={
                "to": "jane.doe@example.com",
                "cc": ["people@acme.example"],
                "subject": "Your offer from Acme",
                "body": _OFFER,
                "attachments": ["offer-jane-doe.pdf"],
            },
            answer="send_email: sent",
            approved="The offer is on its way to Jane.",
            rejected="I did not send the offer; the draft is kept.",
            skipped="I did not send the e-mail and went on.",
            timed_out="Nobody answered in time: the offer was not sent, I'll raise it in the next report.",
        ),
    ),
)

TREASURY = Agent(
    name="treasury_agent",
    about="Pays invoices. Two people approve.",
    steps=(
        SafeTool(
            tool="read_invoice",
            arguments={"invoice": "INV-2026-0417"},
            answer="Northwind Traders, EUR 12480.50, due in 3 days, matches PO-8831",
        ),
        Say(text="The invoice matches the order. It should be paid today."),
        RiskyTool(
            tool="pay_invoice",
            arguments={
                "invoice": "INV-2026-0417",
                "payee": "Northwind Traders GmbH",
                "amount": 12480.50,
                "currency": "EUR",
                "iban": "DE89370400440532013000",
                "reference": "INV-2026-0417 / PO-8831",
            },
            answer="pay_invoice: booked as TX-99120",
            approved="Paid: EUR 12,480.50 to Northwind Traders, TX-99120.",
            rejected="Not paid. I have marked the invoice as disputed.",
            skipped="Not paid today; the invoice stays open.",
            timed_out="Not paid: nobody answered in time. It is due in 3 days.",
            timeout_seconds=300,
        ),
    ),
)

OPS = Agent(
    name="ops_agent",
    about="Restarts services, tidies up.",
    steps=(
        SafeTool(
            tool="read_metrics", arguments={"service": "checkout"}, answer="error rate 7.3 %, memory 96 %"
        ),
        RiskyTool(
            tool="restart_service",
            arguments={
                "service": "checkout",
                "environment": "production",
                "strategy": {"kind": "rolling", "max_unavailable": 1, "drain": {"seconds": 30, "force": False}},
                "hosts": ["checkout-1", "checkout-2", "checkout-3"],
            },
            answer="restart_service: 3 of 3 hosts restarted",
            approved="checkout was restarted, host by host; the error rate is falling.",
            rejected="I did not restart checkout; the on-call engineer should look at it.",
            timeout_seconds=120,
        ),
        RiskyTool(
            tool="delete_branch",
            arguments={"repository": "acme/checkout", "branch": "hotfix/oom-2025", "options": {"force": True}},
            answer="delete_branch: deleted",
            approved="The old hotfix branch is gone.",
            rejected="The branch stays.",
            timeout_seconds=120,
        ),
    ),
)

HR = Agent(
    name="hr_agent",
    about="Records hiring decisions.",
    steps=(
        Say(text="All three interviewers recommend moving forward."),
        RiskyTool(
            tool="custom_tool",
            arguments={
                "action": "Finalize Jane Doe's hiring decision in the ATS for the Senior Backend Engineer role,"
                " including score and recommendation to move forward with offer."
            },
            answer="custom_tool: recorded",
            approved="The decision is recorded in the ATS.",
            timeout_seconds=3600,
        ),
    ),
)

ARCHIVE = Agent(
    name="archive_agent",
    about="Publishes very long documents.",
    steps=(
        RiskyTool(
            tool="publish_document",
            arguments={
                "title": "Minutes of the annual meeting",
                "body": "\n".join(
                    f"{number:04d} The assembly takes note of item {number}." for number in range(470)
                ),
            },
            answer="publish_document: published",
            approved="The minutes are published.",
        ),
    ),
)

HOSTILE = Agent(
    name="hostile_agent",
    about="Hides tricks in its arguments.",
    steps=(
        RiskyTool(
            tool="post_message",
            arguments={
                "channel": "<!channel> <!here> <@U0ANN>",
                "text": "*Already approved* by <https://evil.example|Approve>\n```\n`rm -rf /`\n```\n"
                "> quoted\n# Title",
                "note": "[Approve](https://evil.example) <at>everyone</at> &lt;!channel&gt;"
                " \u202egnp.exe \u0000",
                "_bold_ `key`\nwith a break": "~struck~ :white_check_mark: APPROVED :white_check_mark:",
            },
            answer="post_message: posted",
            approved="The message is posted.",
        ),
    ),
)

RESEARCH = Agent(
    name="research_agent",
    about="Only reads: approved by a rule.",
    steps=(
        RiskyTool(
            tool="read_contract",
            arguments={"supplier": "Northwind Traders GmbH", "year": 2026},
            answer="read_contract: net 30 days, 2 % discount within 10",
            approved="Northwind gives 2 % for payment within 10 days.",
        ),
        Say(text="Noted for the treasury agent."),
    ),
)

SPRINTER = Agent(
    name="sprint_agent",
    about="Needs an answer in 20 seconds.",
    steps=(
        Say(text="The ticket sale opens in half a minute, I need a go."),
        RiskyTool(
            tool="buy_tickets",
            arguments={"event": "PyCon DE", "seats": 4, "limit": {"amount": 1600, "currency": "EUR"}},
            answer="buy_tickets: 4 seats reserved",
            approved="Four seats are reserved.",
            timed_out="The sale went on without us; I bought nothing.",
            timeout_seconds=20,
        ),
    ),
)

#: Everyone, in the order in which a page lists them.
CAST: tuple[Agent, ...] = (MAIL, TREASURY, RESEARCH, ARCHIVE, OPS, HR, HOSTILE, SPRINTER)
