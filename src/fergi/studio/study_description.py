"""The study as one participant's browser gets it."""

from fergi.studio.clip_messages import CLIP_FRAMES
from fergi.studio.configuration import MEGABYTE, STIMULUS_ENDINGS
from fergi.studio.progress import participant_sessions
from fergi.studio.served_models import served_models
from fergi.studio.session_records import session_stimuli
from fergi.studio.studio import Studio
from fergi.studio.study_messages import (
    Limits,
    SessionDescription,
    StimulusDescription,
    StudyDescription,
)
from fergi.studio.tables import StimulusRow

PROMPT_CHARACTERS = 500


def study_description(studio: Studio, participant: str) -> StudyDescription:
    """Describe the study, with this participant's prompts and stimuli in their order."""
    configuration = studio.configuration
    with studio.database.reading() as session:
        sessions = [
            SessionDescription(
                session=row.session,
                prompt=row.prompt,
                images=[
                    _stimulus(one) for one in session_stimuli(session, participant, row.session)
                ],
            )
            for row in participant_sessions(session, participant)
        ]
    generator = configuration.generator
    return StudyDescription(
        title=configuration.title,
        languages=configuration.languages,
        introduction=configuration.introduction,
        consent=configuration.consent_description(),
        timing=configuration.timing,
        questions=configuration.questions_message(),
        prompts_by_participant=generator is not None and generator.prompts_by_participant,
        limits=Limits(
            clip_bytes=configuration.limits.clip_megabytes * MEGABYTE,
            clip_seconds=configuration.limits.clip_seconds,
            clip_frames=CLIP_FRAMES,
            prompt_characters=PROMPT_CHARACTERS,
        ),
        models=served_models(),
        sessions=sessions,
    )


def _stimulus(row: StimulusRow) -> StimulusDescription:
    kind, content_type = STIMULUS_ENDINGS.get(row.ending or "", ("image", None))
    address = f"/api/participants/{row.participant}/sessions/{row.session}/images/{row.image}"
    return StimulusDescription.model_validate(
        {
            "image": row.image,
            "kind": kind,
            "type": content_type,
            "state": row.state,
            "address": f"{address}/stimulus",
        }
    )
