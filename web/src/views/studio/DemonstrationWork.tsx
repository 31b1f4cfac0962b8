// Write the answer the assistant should give. A model's suggestion lies at hand and is never put in by itself.
import { useT } from '../../i18n';
import { Conversation } from './Conversation';
import { Editor } from './Editor';
import { Suggestions } from './Suggestions';
import type { WorkProps } from './work';
import type { DemonstrationLabel } from './types';

export function DemonstrationWork({ task, label, change, tried, missing, announce }: WorkProps<DemonstrationLabel>) {
  const t = useT();
  return (
    <>
      <Conversation messages={task.messages} />
      <Editor label={t('studio.demonstration.yours')} value={label.content} rows={12} invalid={tried && missing.length > 0}
        placeholder={t('studio.demonstration.placeholder')} onChange={(content) => change({ content })} />
      <Suggestions task={task.id} messages={task.messages} first={task.suggestion} announce={announce}
        replaces={label.content.trim() !== ''} onUse={(content) => change({ content })} />
    </>
  );
}
