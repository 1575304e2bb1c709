"""The palette, the font and the style sheet of the application, made of the tokens.

Looks are asked for by a widget's dynamic properties, never by its own style sheet: `role` of a button (`primary`,
`quiet`, `danger`), `kind` of a label (`title`, `heading`, `soft`, `value`, `unit`), `tone` of a badge, banner or note,
`panel` of a frame (`card`, `sunken`). Never does: name a colour that is not a token.
"""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import Final

from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication

from pulse_desktop.theme import tokens
from pulse_desktop.theme.tokens import COLOURS, Theme, Tone

_PICTURES: Final = Path(__file__).parent

_SHEET: Final = Template("""
* { font-size: ${text}px; }
QWidget { color: $ink; }
QMainWindow, QDialog, QWizard, QWidget[page="true"] { background: $ground; }
QToolTip { background: $raised; color: $ink; border: 1px solid $line_strong; padding: 4px 6px; }

QLabel { background: transparent; }
QLabel[kind="title"] { font-size: ${text_title}px; font-weight: 600; }
QLabel[kind="heading"] { font-size: ${text_large}px; font-weight: 600; }
QLabel[kind="caption"] { font-size: ${text_small}px; font-weight: 600; color: $ink_soft; }
QLabel[kind="soft"] { color: $ink_soft; }
QLabel[kind="faint"] { font-size: ${text_small}px; color: $ink_faint; }
QLabel[kind="value"] { font-size: ${text_value}px; font-weight: 600; }
QLabel[kind="figure"] { font-size: ${text_title}px; font-weight: 600; }
QLabel[kind="unit"] { font-size: ${text_title}px; color: $ink_soft; }
QLabel[kind="error"] { color: $bad; }
QLabel[freshness="stale"] { color: $mute; }

QFrame[panel="card"] { background: $surface; border: 1px solid $line; border-radius: ${radius_card}px; }
QFrame[panel="bar"] { background: $surface; border: none; border-bottom: 1px solid $line; }
QFrame[panel="sunken"] { background: $sunken; border: none; border-radius: ${radius}px; }
QFrame[panel="line"] { background: $line; border: none; max-height: 1px; min-height: 1px; }

QPushButton {
    background: $surface; color: $ink; border: 1px solid $line_strong; border-radius: ${radius}px;
    padding: 0 14px; min-height: ${inner}px; font-weight: 500;
}
QPushButton:hover { background: $sunken; }
QPushButton:pressed { background: $line; }
QPushButton:disabled { color: $ink_faint; border-color: $line; background: $sunken; }
QPushButton[role="primary"] { background: $accent; color: $accent_ink; border-color: $accent; }
QPushButton[role="primary"]:hover { background: $accent_strong; border-color: $accent_strong; }
QPushButton[role="primary"]:disabled { background: $mute_soft; color: $ink_faint; border-color: $mute_soft; }
QPushButton[role="quiet"] { background: transparent; border-color: transparent; color: $ink_soft; }
QPushButton[role="quiet"]:hover { background: $sunken; color: $ink; }
QPushButton[role="danger"] { color: $bad; border-color: $bad; }
QPushButton[role="danger"]:hover { background: $bad_soft; }
QPushButton[role="danger"]:disabled { color: $ink_faint; border-color: $line; }
QPushButton[role="link"] {
    background: transparent; border: 1px solid transparent; color: $accent; padding: 0 4px; min-height: 18px;
}
QPushButton:focus { border: 2px solid $accent; padding: 0 13px; min-height: ${inner_focus}px; }
QPushButton[role="primary"]:focus { border-color: $ink; }
QPushButton[role="link"]:focus { border: 1px solid $accent; padding: 0 4px; min-height: 18px; }

QLineEdit, QSpinBox, QDoubleSpinBox, QComboBox {
    background: $surface; border: 1px solid $line_strong; border-radius: ${radius}px;
    padding: 0 10px; min-height: ${inner}px; selection-background-color: $accent; selection-color: $accent_ink;
}
QLineEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QComboBox:focus {
    border: 2px solid $accent; padding: 0 9px; min-height: ${inner_focus}px;
}
QLineEdit:disabled, QSpinBox:disabled, QDoubleSpinBox:disabled, QComboBox:disabled {
    background: $sunken; color: $ink_faint; border-color: $line;
}
QLineEdit[invalid="true"], QSpinBox[invalid="true"], QComboBox[invalid="true"] { border-color: $bad; }
QSpinBox::up-button, QSpinBox::down-button { width: 0; border: none; }
QComboBox::drop-down { border: none; width: 26px; }
QComboBox::down-arrow { image: url($down); width: 12px; height: 12px; }
QComboBox QAbstractItemView {
    background: $raised; border: 1px solid $line_strong; padding: 4px; outline: none;
    selection-background-color: $accent_soft; selection-color: $ink;
}
QPlainTextEdit, QTextBrowser {
    background: $surface; border: 1px solid $line; border-radius: ${radius}px; padding: 6px;
    selection-background-color: $accent; selection-color: $accent_ink;
}
QPlainTextEdit:focus, QTextBrowser:focus { border: 2px solid $accent; padding: 5px; }

QCheckBox { background: transparent; spacing: 8px; padding: 3px 2px; border: 1px solid transparent; border-radius: 4px; }
QCheckBox:focus { border-color: $accent; }
QCheckBox:disabled { color: $ink_faint; }
QCheckBox::indicator {
    width: 16px; height: 16px; border: 1px solid $line_strong; border-radius: 4px; background: $surface;
}
QCheckBox::indicator:checked { background: $accent; border-color: $accent; image: url($check); }
QCheckBox::indicator:disabled { background: $sunken; border-color: $line; }
QCheckBox::indicator:checked:disabled { background: $mute; border-color: $mute; }

QProgressBar { background: $sunken; border: none; border-radius: 4px; min-height: 8px; max-height: 8px; }
QProgressBar::chunk { background: $accent; border-radius: 4px; }

QTableView, QListView {
    background: $surface; alternate-background-color: $surface; border: 1px solid $line; border-radius: ${radius}px;
    gridline-color: $line; outline: none; selection-background-color: $accent_soft; selection-color: $ink;
}
QTableView:focus, QListView:focus { border-color: $accent; }
QTableView::item { padding: 0 10px; border-bottom: 1px solid $line; }
QTableView::item:selected, QListView::item:selected { background: $accent_soft; color: $ink; }
QListView::item { padding: 4px 8px; }
QHeaderView { background: $surface; border: none; }
QHeaderView::section {
    background: $sunken; color: $ink_soft; border: none; border-bottom: 1px solid $line;
    padding: 7px 13px; font-weight: 600; font-size: ${text_small}px;
}
QTableCornerButton::section { background: $sunken; border: none; }

QTabWidget::pane { border: none; border-top: 1px solid $line; top: -1px; }
QTabBar { background: transparent; }
QTabBar::tab {
    background: transparent; color: $ink_soft; padding: 8px 14px; border: none;
    border-bottom: 2px solid transparent; font-weight: 500;
}
QTabBar::tab:selected { color: $ink; border-bottom-color: $accent; }
QTabBar::tab:hover { color: $ink; }
QTabBar::tab:focus { background: $accent_soft; }

QMenuBar { background: $surface; color: $ink_soft; padding: 2px 8px; }
QMenuBar::item { background: transparent; padding: 5px 9px; border-radius: 4px; }
QMenuBar::item:selected { background: $sunken; color: $ink; }
QMenu { background: $raised; border: 1px solid $line_strong; border-radius: ${radius}px; padding: 4px; }
QMenu::item { padding: 6px 24px 6px 12px; border-radius: 4px; }
QMenu::item:selected { background: $accent_soft; }
QMenu::item:disabled { color: $ink_faint; }
QMenu::separator { background: $line; height: 1px; margin: 4px 6px; }

QScrollArea { background: transparent; border: none; }
QScrollArea > QWidget > QWidget { background: transparent; }
QScrollBar:vertical { background: transparent; width: ${scroll_bar}px; margin: 0; }
QScrollBar:horizontal { background: transparent; height: ${scroll_bar}px; margin: 0; }
QScrollBar::handle { background: $line_strong; border-radius: 3px; margin: 3px; min-height: 32px; min-width: 32px; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }

$tones
""")

_TONE: Final = Template("""
QFrame[tone="$name"] { background: $ground; border: none; border-radius: ${radius}px; }
QFrame[tone="$name"] QLabel, QLabel[tone="$name"] { color: $ink; }
QFrame[pill="true"][tone="$name"] { border-radius: 12px; }
""")


def dress_first(application: QApplication, theme: Theme) -> None:
    """Dress an application that has no widgets yet; `Dresser` dresses it anew."""
    application.setStyle("Fusion")
    application.setFont(_font())
    application.setPalette(palette_of(theme))
    application.setStyleSheet(style_sheet(theme))


def is_dark_system(application: QApplication) -> bool:
    """Whether the person's system is dark."""
    from PySide6.QtCore import Qt

    return application.styleHints().colorScheme() == Qt.ColorScheme.Dark


def figures_font(font: QFont) -> QFont:
    """Return the font with figures of one width, so that nothing moves when a value changes."""
    changed = QFont(font)
    changed.setFeature(QFont.Tag("tnum"), 1)
    return changed


def _font() -> QFont:
    font = QFont()
    font.setFamilies(list(tokens.FAMILIES))
    font.setPixelSize(tokens.TEXT)
    font.setHintingPreference(QFont.HintingPreference.PreferVerticalHinting)
    return font


def palette_of(theme: Theme) -> QPalette:
    """Return the colours of what the style sheet does not name."""
    colours = COLOURS[theme]
    palette = QPalette()
    roles = {
        QPalette.ColorRole.Window: colours.ground,
        QPalette.ColorRole.WindowText: colours.ink,
        QPalette.ColorRole.Base: colours.surface,
        QPalette.ColorRole.AlternateBase: colours.sunken,
        QPalette.ColorRole.Text: colours.ink,
        QPalette.ColorRole.PlaceholderText: colours.ink_faint,
        QPalette.ColorRole.Button: colours.surface,
        QPalette.ColorRole.ButtonText: colours.ink,
        QPalette.ColorRole.Highlight: colours.accent,
        QPalette.ColorRole.HighlightedText: colours.accent_ink,
        QPalette.ColorRole.ToolTipBase: colours.raised,
        QPalette.ColorRole.ToolTipText: colours.ink,
        QPalette.ColorRole.Link: colours.accent,
        QPalette.ColorRole.Accent: colours.accent,
        QPalette.ColorRole.Mid: colours.line,
        QPalette.ColorRole.Dark: colours.line_strong,
        QPalette.ColorRole.Light: colours.raised,
    }
    for role, colour in roles.items():
        palette.setColor(role, QColor(colour))
    for role in (QPalette.ColorRole.Text, QPalette.ColorRole.WindowText, QPalette.ColorRole.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(colours.ink_faint))
    return palette


def style_sheet(theme: Theme) -> str:
    """Return the looks of a theme; sizes are the same in each."""
    colours = COLOURS[theme]
    names = {name: getattr(colours, name) for name in colours.__slots__}
    tones = "".join(
        _TONE.substitute(
            name=tone.value, ground=colours.ground_of(tone), ink=colours.of(tone), radius=str(tokens.RADIUS)
        )
        for tone in Tone
    )
    return _SHEET.substitute(
        names,
        text=tokens.TEXT,
        text_small=tokens.TEXT_SMALL,
        text_large=tokens.TEXT_LARGE,
        text_title=tokens.TEXT_TITLE,
        text_value=tokens.TEXT_VALUE,
        radius=tokens.RADIUS,
        scroll_bar=tokens.SCROLL_BAR,
        radius_card=tokens.RADIUS_CARD,
        inner=tokens.CONTROL_HEIGHT - 2,
        inner_focus=tokens.CONTROL_HEIGHT - 4,
        down=(_PICTURES / f"down-{theme.value}.svg").as_posix(),
        check=(_PICTURES / f"check-{theme.value}.svg").as_posix(),
        tones=tones,
    )
