; The Windows installer, for NSIS 3: for this user alone, so that nobody needs an administrator.
; Compiled by package.py with VERSION (1.2.3), NUMBERS (1.2.3.0), SOURCE (what is in PyInstaller's folder) and OUT (the setup to write).
; /S installs or removes without a question; people's data are then kept.
Unicode true
!include MUI2.nsh
!include LogicLib.nsh
!include FileFunc.nsh

!define NAME "PrecisionPulse"
!define KEY "Software\${NAME}"
!define UNINSTALL_KEY "Software\Microsoft\Windows\CurrentVersion\Uninstall\${NAME}"
; The window's own setting "open when I sign in" writes the same value (autostart.py).
!define RUN_KEY "Software\Microsoft\Windows\CurrentVersion\Run"
!define RUN_VALUE "precisionpulse"

Name "${NAME} ${VERSION}"
OutFile "${OUT}"
InstallDir "$LOCALAPPDATA\Programs\${NAME}"
InstallDirRegKey HKCU "${KEY}" "Folder"
RequestExecutionLevel user
SetCompressor /SOLID lzma
ShowInstDetails hide
ShowUninstDetails hide
VIProductVersion "${NUMBERS}"
VIAddVersionKey "ProductName" "${NAME}"
VIAddVersionKey "ProductVersion" "${VERSION}"
VIAddVersionKey "FileVersion" "${VERSION}"
VIAddVersionKey "FileDescription" "${NAME} Setup"
VIAddVersionKey "LegalCopyright" "Apache License 2.0"

!define MUI_ABORTWARNING
!define MUI_FINISHPAGE_RUN "$INSTDIR\pulse-desktop.exe"
!insertmacro MUI_PAGE_COMPONENTS
!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"
!insertmacro MUI_LANGUAGE "German"

LangString AUTOSTART ${LANG_ENGLISH} "Open when I sign in to this computer"
LangString AUTOSTART ${LANG_GERMAN} "Beim Anmelden an diesem Rechner öffnen"
LangString DELETE_DATA ${LANG_ENGLISH} "Delete this computer's readings, settings and keys, too? What was not delivered is lost then."
LangString DELETE_DATA ${LANG_GERMAN} "Auch Messwerte, Einstellungen und Schlüssel dieses Rechners löschen? Nicht Ausgeliefertes ist dann verloren."

; What runs holds its files open. The agent may be ended at any moment: each reading is on the disk before it counts.
!macro END_PROGRAMS un
Function ${un}EndPrograms
  nsExec::Exec 'taskkill /F /IM pulse-desktop.exe'
  Pop $0
  nsExec::Exec 'taskkill /F /IM pulse-agent.exe'
  Pop $0
FunctionEnd
!macroend
!insertmacro END_PROGRAMS ""
!insertmacro END_PROGRAMS "un."

Section "${NAME}" SEC_PROGRAM
  SectionIn RO
  Call EndPrograms
  ; Libraries of the version before would be found beside the new ones.
  RMDir /r "$INSTDIR\_internal"
  SetOutPath "$INSTDIR"
  File /r "${SOURCE}"
  WriteUninstaller "$INSTDIR\uninstall.exe"
  CreateShortcut "$SMPROGRAMS\${NAME}.lnk" "$INSTDIR\pulse-desktop.exe"
  WriteRegStr HKCU "${KEY}" "Folder" "$INSTDIR"
  WriteRegStr HKCU "${UNINSTALL_KEY}" "DisplayName" "${NAME}"
  WriteRegStr HKCU "${UNINSTALL_KEY}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKCU "${UNINSTALL_KEY}" "DisplayIcon" "$INSTDIR\pulse-desktop.exe"
  WriteRegStr HKCU "${UNINSTALL_KEY}" "Publisher" "${NAME} maintainers"
  WriteRegStr HKCU "${UNINSTALL_KEY}" "InstallLocation" "$INSTDIR"
  WriteRegStr HKCU "${UNINSTALL_KEY}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKCU "${UNINSTALL_KEY}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
  WriteRegDWORD HKCU "${UNINSTALL_KEY}" "NoModify" 1
  WriteRegDWORD HKCU "${UNINSTALL_KEY}" "NoRepair" 1
  ${GetSize} "$INSTDIR" "/S=0K" $0 $1 $2
  IntFmt $0 "0x%08X" $0
  WriteRegDWORD HKCU "${UNINSTALL_KEY}" "EstimatedSize" $0
SectionEnd

Section /o "$(AUTOSTART)" SEC_AUTOSTART
  WriteRegStr HKCU "${RUN_KEY}" "${RUN_VALUE}" '"$INSTDIR\pulse-desktop.exe"'
SectionEnd

Section "Uninstall"
  Call un.EndPrograms
  DeleteRegValue HKCU "${RUN_KEY}" "${RUN_VALUE}"
  DeleteRegKey HKCU "${UNINSTALL_KEY}"
  DeleteRegKey HKCU "${KEY}"
  Delete "$SMPROGRAMS\${NAME}.lnk"
  Delete "$INSTDIR\pulse-desktop.exe"
  Delete "$INSTDIR\pulse-agent.exe"
  RMDir /r "$INSTDIR\_internal"
  Delete "$INSTDIR\uninstall.exe"
  ; Only when it is empty: somebody may have chosen a folder with more in it.
  RMDir "$INSTDIR"
  MessageBox MB_YESNO|MB_ICONQUESTION|MB_DEFBUTTON2 "$(DELETE_DATA)" /SD IDNO IDNO keep
    RMDir /r "$LOCALAPPDATA\${NAME}\agent"
    RMDir "$LOCALAPPDATA\${NAME}"
  keep:
SectionEnd
