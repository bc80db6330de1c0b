"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "first_tables"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step."""
    op.create_table(
        "departures",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_departures")),
    )
    op.create_table(
        "participants",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("joined", sa.DateTime(), nullable=False),
        sa.Column("last_seen", sa.DateTime(), nullable=False),
        sa.Column("finished", sa.DateTime(), nullable=True),
        sa.Column("is_leaving", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_participants")),
    )
    op.create_table(
        "studio_facts",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_studio_facts")),
    )
    op.create_table(
        "clips",
        sa.Column("participant", sa.String(), nullable=False),
        sa.Column("session", sa.Integer(), nullable=False),
        sa.Column("image", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("is_confirmed", sa.Boolean(), nullable=False),
        sa.Column("record", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("record_sha256", sa.String(), nullable=False),
        sa.Column("has_series", sa.Boolean(), nullable=False),
        sa.Column("has_video", sa.Boolean(), nullable=False),
        sa.Column("video_sha256", sa.String(), nullable=True),
        sa.Column("video_bytes", sa.Integer(), nullable=True),
        sa.Column("video_type", sa.String(), nullable=True),
        sa.Column("valid_share", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["participant"],
            ["participants.name"],
            name=op.f("fk_clips_participant"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("participant", "session", "image", "kind", name=op.f("pk_clips")),
    )
    op.create_table(
        "consents",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("participant", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("choice", sa.String(), nullable=False),
        sa.Column("given", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["participant"],
            ["participants.name"],
            name=op.f("fk_consents_participant"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_consents")),
    )
    op.create_index("ix_consents_participant", "consents", ["participant"])

    op.create_table(
        "links",
        sa.Column("link_id", sa.String(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("key_hash", sa.String(), nullable=True),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.Column("expires", sa.DateTime(), nullable=False),
        sa.Column("is_revoked", sa.Boolean(), nullable=False),
        sa.Column("participant", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["participant"],
            ["participants.name"],
            name=op.f("fk_links_participant"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("link_id", name=op.f("pk_links")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_links_token_hash")),
    )
    op.create_index("ix_links_participant", "links", ["participant"])

    op.create_table(
        "sessions",
        sa.Column("participant", sa.String(), nullable=False),
        sa.Column("session", sa.Integer(), nullable=False),
        sa.Column("prompt", sa.String(), nullable=True),
        sa.Column("ranking", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["participant"],
            ["participants.name"],
            name=op.f("fk_sessions_participant"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("participant", "session", name=op.f("pk_sessions")),
    )
    op.create_table(
        "stimuli",
        sa.Column("participant", sa.String(), nullable=False),
        sa.Column("session", sa.Integer(), nullable=False),
        sa.Column("image", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=True),
        sa.Column("ending", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=True),
        sa.Column("survey", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["participant"],
            ["participants.name"],
            name=op.f("fk_stimuli_participant"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("participant", "session", "image", name=op.f("pk_stimuli")),
    )
    op.create_table(
        "cookies",
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("expires", sa.DateTime(), nullable=False),
        sa.Column("participant", sa.String(), nullable=True),
        sa.Column("link_id", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["link_id"], ["links.link_id"], name=op.f("fk_cookies_link_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["participant"],
            ["participants.name"],
            name=op.f("fk_cookies_participant"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_cookies")),
    )
    op.create_index("ix_cookies_link_id", "cookies", ["link_id"])
    op.create_index("ix_cookies_participant", "cookies", ["participant"])


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_cookies_participant", "cookies")
    op.drop_index("ix_cookies_link_id", "cookies")

    op.drop_table("cookies")
    op.drop_table("stimuli")
    op.drop_table("sessions")
    op.drop_index("ix_links_participant", "links")

    op.drop_table("links")
    op.drop_index("ix_consents_participant", "consents")

    op.drop_table("consents")
    op.drop_table("clips")
    op.drop_table("studio_facts")
    op.drop_table("participants")
    op.drop_table("departures")
