import { provideVSCodeDesignSystem, vsCodeButton } from '@vscode/webview-ui-toolkit';

/** Registers the elements of the toolkit that the pages use. Only this file knows that they come from it. */
export function installToolkit(): void {
  provideVSCodeDesignSystem().register(vsCodeButton());
}

/** The toolkit's button: the editor's own look in every theme, without style sheets of ours. */
export function toolkitButton(text: string, appearance: 'primary' | 'secondary', onClick: () => void): HTMLElement {
  const button = document.createElement('vscode-button');
  button.setAttribute('appearance', appearance);
  button.textContent = text;
  button.addEventListener('click', onClick);
  return button;
}
