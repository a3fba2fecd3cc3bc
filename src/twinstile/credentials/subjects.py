"""The person at the lane as credentials are compared with them: from the document shown."""

from twinstile.credentials import transliteration
from twinstile.credentials.types import Subject
from twinstile.identity import forms, mrz
from twinstile.identity.forms import DocumentContext, DocumentForm


def of(form: DocumentForm, pointer: str, terms: DocumentContext) -> Subject:
    """Raises as `forms.identify` does."""
    identity, _ = forms.identify(form, pointer, terms)
    name = identity.holder.name or ""
    native = "" if name.isascii() else name
    if form.mrz is not None:
        zone = mrz.read(form.mrz, today=terms.today, declared=form.kind)
        number = identity.document.number
        return Subject(zone.primary, zone.secondary, zone.name_cut, native, zone.born, number)
    born = identity.holder.birth_date
    mark = "," if "," in name else " "
    primary, _, secondary = (
        name.partition(mark) if transliteration.written(name) else ("", "", "")
    )
    return Subject(
        primary=primary.strip(),
        secondary=secondary.strip(),
        native=native,
        born=born.isoformat() if born else "",
        number=identity.document.number,
    )
