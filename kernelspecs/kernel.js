// What a classic notebook runs for an R kernel: the keys that R users know, in code cells.
// Alt + - writes " <- ", Ctrl + Shift + M writes " %>% " (Cmd on macOS).
define(["base/js/namespace"], function (Jupyter) {
    "use strict";

    function writes(text) {
        return function (environment) {
            var cell = environment.notebook.get_selected_cell();
            if (!cell || cell.cell_type !== "code" || !cell.code_mirror) {
                return true; // the key keeps its meaning
            }
            cell.code_mirror.replaceSelection(text);
            return false;
        };
    }

    function onload() {
        var manager = Jupyter.keyboard_manager;
        [
            ["assign", "alt--", " <- ", "insert the assignment arrow"],
            ["pipe", "cmdtrl-shift-m", " %>% ", "insert the pipe"],
        ].forEach(function (row) {
            var action = { help: row[3], help_index: "ir", handler: writes(row[2]) };
            var name = manager.actions.register(action, row[0], "r-kernel");
            manager.edit_shortcuts.add_shortcut(row[1], name);
        });
    }

    return { onload: onload };
});
